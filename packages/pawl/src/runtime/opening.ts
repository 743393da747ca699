/** A promise that is settled from elsewhere, and knows whether it is. */

export interface Opening {
  readonly promise: Promise<void>;
  done: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

export function opening(): Opening {
  let yes!: () => void;
  let no!: (error: unknown) => void;
  const promise = new Promise<void>((resolve, reject) => {
    yes = resolve;
    no = reject;
  });
  promise.catch(() => {});
  const opening: Opening = {
    promise,
    done: false,
    resolve: () => {
      opening.done = true;
      yes();
    },
    reject: (error) => {
      opening.done = true;
      no(error);
    },
  };
  return opening;
}
