/**
 * Empty plain objects with room for as many properties as they are about to get.
 *
 * A property that is stored under a computed key goes, in V8, into the object itself as long as there is room, and an object of
 * more than some twenty such properties becomes a hash table of several times the size. An object that is made by a constructor
 * has as much room as the first ones by the same constructor were seen to need: so there is one constructor for each number of
 * properties. Its prototype is that of literals, and nothing tells its objects from literals.
 */

type Slots = Record<string, unknown>;
type Letter = "a" | "b" | "c" | "d" | "e" | "f" | "g" | "h";
type Digit = "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7";
type Named = Record<`${Letter}${Digit}`, unknown>;
type Constructor = new (fill: boolean) => Slots;

/** The most properties that objects get room for. Those of more are tables, whose keys are rarely the same. */
const MOST = 64;
/** V8 looks at the first eight objects of a constructor. */
const LOOKED_AT = 8;

const constructors: (Constructor | undefined)[] = new Array<undefined>(MOST + 1).fill(undefined);

/** An empty plain object that is about to get `properties` properties; negative if nobody knows how many. */
export function roomy(properties: number): Slots {
  if (properties <= 0 || properties > MOST) return {};
  const Sized = constructors[properties] ?? sized(properties);
  return new Sized(false);
}

function sized(properties: number): Constructor {
  // V8 counts assignments in the text of a constructor, also of those that never run.
  const Sized = function (this: Named, fill: boolean) {
    if (!fill) return;
    // biome-ignore format: one line for each eight of MOST
    this.a0 = this.a1 = this.a2 = this.a3 = this.a4 = this.a5 = this.a6 = this.a7 =
    this.b0 = this.b1 = this.b2 = this.b3 = this.b4 = this.b5 = this.b6 = this.b7 =
    this.c0 = this.c1 = this.c2 = this.c3 = this.c4 = this.c5 = this.c6 = this.c7 =
    this.d0 = this.d1 = this.d2 = this.d3 = this.d4 = this.d5 = this.d6 = this.d7 =
    this.e0 = this.e1 = this.e2 = this.e3 = this.e4 = this.e5 = this.e6 = this.e7 =
    this.f0 = this.f1 = this.f2 = this.f3 = this.f4 = this.f5 = this.f6 = this.f7 =
    this.g0 = this.g1 = this.g2 = this.g3 = this.g4 = this.g5 = this.g6 = this.g7 =
    this.h0 = this.h1 = this.h2 = this.h3 = this.h4 = this.h5 = this.h6 = this.h7 = 0;
  } as unknown as Constructor;
  Sized.prototype = Object.prototype;
  for (let i = 0; i < LOOKED_AT; i++) {
    const object = new Sized(false);
    for (let property = 0; property < properties; property++) object[`property ${property}`] = i;
  }
  constructors[properties] = Sized;
  return Sized;
}
