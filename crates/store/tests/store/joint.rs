//! Several environments of one process on one file: one writer, each actor in one of them.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use pawl_conformance::driver::Folder;
use pawl_store::{
    ActorId, Answer, Batch, Call, Change, Code, Completion, InboxRow, News, OpenOptions, Outcome, Put, Request, Scopes,
    Sharing, Status, Store, Ticket, WOKEN,
};

struct Desk {
    store: Box<dyn Store>,
    next: Ticket,
    epoch: u64,
}

/// Somebody in a thread of its own, as the store sees it.
fn sit(file: &Path) -> Desk {
    let environment = thread::spawn(|| thread::current().id()).join().unwrap();
    let options = OpenOptions {
        environment: Some(environment),
        lock_patience: Duration::ZERO,
        ..OpenOptions::new(Arc::new(|| {}))
    };
    let mut store = pawl_store::open(&format!("sqlite:{}", file.display()), options).unwrap();
    store.flush();
    let mut desk = Desk { store, next: 1, epoch: 0 };
    for (_, completion) in desk.drained() {
        if let Completion::Ready(info) = completion {
            desk.epoch = info.epoch;
        }
    }
    assert!(desk.epoch > 0, "the store is open");
    desk
}

impl Desk {
    fn drained(&mut self) -> Vec<(Ticket, Completion)> {
        let mut done = Vec::new();
        self.store.drain(&mut done);
        done
    }

    /// What the others have said.
    fn news(&mut self) -> Vec<News> {
        let news = |(_, completion)| if let Completion::News(news) = completion { Some(news) } else { None };
        self.drained().into_iter().filter_map(news).collect()
    }

    fn ask(&mut self, request: Request) -> Completion {
        let ticket = self.submit(request);
        self.store.flush();
        let mut done = self.drained();
        let at = done.iter().position(|(answered, _)| *answered == ticket).unwrap();
        done.remove(at).1
    }

    fn submit(&mut self, request: Request) -> Ticket {
        self.next += 1;
        self.store.submit(self.next, request);
        self.next
    }

    fn open(&mut self, actor: &ActorId) -> Result<u64, Code> {
        match self.ask(Request::Open { actor: actor.clone(), scopes: Scopes::Open }) {
            Completion::Opened(opened) => Ok(opened.row.map_or(0, |row| row.seq)),
            Completion::Failed(error) => Err(error.code),
            other => panic!("{other:?}"),
        }
    }

    fn commit(&mut self, actor: &ActorId, change: Change) {
        let epoch = self.epoch;
        let done = self.ask(Request::Commit(Batch { actor: actor.clone(), epoch, changes: vec![change] }));
        assert!(matches!(done, Completion::Committed(Outcome::Yes)), "{done:?}");
    }
}

fn actor(name: &str) -> ActorId {
    ActorId::new("default", name)
}

fn change(seq: u64) -> Change {
    Change::new(seq, "what happened", Status::Running)
}

fn call(actor: &ActorId, id: &str) -> Sharing {
    Sharing::Call(Call { actor: actor.clone(), id: id.into(), body: Bytes::from_static(b"please") })
}

#[test]
fn an_actor_that_one_has_is_refused_to_the_others_until_it_is_given_up() {
    let folder = Folder::new();
    let (mut a, mut b) = (sit(&folder.path.join("s.db")), sit(&folder.path.join("s.db")));
    let x = actor("x/1");
    assert_eq!(a.open(&x), Ok(0));
    assert!(b.store.is_elsewhere(&x) && !a.store.is_elsewhere(&x));
    assert_eq!(b.open(&x), Err(Code::Owned));
    let epoch = a.epoch;
    a.submit(Request::Commit(Batch { actor: x.clone(), epoch, changes: vec![change(1)] }));
    a.store.release(&x);
    assert_eq!(b.open(&x), Ok(1), "behind the batches of whoever had it");
    assert_eq!(a.open(&x), Err(Code::Owned));
}

#[test]
fn a_message_comes_to_the_one_that_has_the_receiver_once_it_is_durable() {
    let folder = Folder::new();
    let (mut a, mut b) = (sit(&folder.path.join("s.db")), sit(&folder.path.join("s.db")));
    let (x, y) = (actor("x/1"), actor("y/1"));
    a.open(&x).unwrap();
    b.open(&y).unwrap();
    let row = InboxRow { sender: "x/1".into(), sender_seq: 1, body: Bytes::from_static(b"hello") };
    let put = vec![Put { receiver: "y/1".into(), row: row.clone() }];
    a.commit(&x, Change { put, ..change(1) });
    let news = b.news();
    assert!(matches!(&news[..], [News::Sent { receiver, row: sent }] if *receiver == y && *sent == row), "{news:?}");
    assert!(a.news().is_empty());
}

#[test]
fn a_call_is_told_to_whoever_has_the_actor_and_its_reply_comes_with_the_change() {
    let folder = Folder::new();
    let (mut a, mut b) = (sit(&folder.path.join("s.db")), sit(&folder.path.join("s.db")));
    let x = actor("x/1");
    a.open(&x).unwrap();
    b.store.share(WOKEN, call(&x, "one"));
    let news = a.news();
    assert!(matches!(&news[..], [News::Called(calls)] if &*calls[0].id == "one"), "{news:?}");
    let answers = vec![Answer { id: "one".into(), body: Bytes::from_static(b"done") }];
    a.commit(&x, Change { answers, ..change(1) });
    let news = b.news();
    assert!(matches!(&news[..], [News::Replied { reply: Ok(body), .. }] if &body[..] == b"done"), "{news:?}");
}

#[test]
fn a_call_of_an_actor_whose_owner_leaves_is_told_to_the_next_and_not_before_it_has_the_actor() {
    let folder = Folder::new();
    let (mut a, mut b) = (sit(&folder.path.join("s.db")), sit(&folder.path.join("s.db")));
    let mut c = sit(&folder.path.join("s.db"));
    let x = actor("x/1");
    a.open(&x).unwrap();
    b.store.share(WOKEN, call(&x, "one"));
    a.store.close();
    let news = b.news();
    assert!(matches!(&news[..], [News::Wanted(wanted), News::Left, News::Died(_)] if *wanted == x), "{news:?}");
    assert!(matches!(&c.news()[..], [News::Left, News::Died(_)]));
    c.submit(Request::Open { actor: x.clone(), scopes: Scopes::Open });
    c.store.flush();
    let done = c.drained();
    let told = |(_, completion): &(_, Completion)| matches!(completion, Completion::News(News::Called(_)));
    assert!(matches!(&done[0].1, Completion::Opened(_)) && told(&done[1]), "{done:?}");
}

#[test]
fn the_end_of_a_run_is_told_once_whether_it_has_ended_before_or_ends_later() {
    let folder = Folder::new();
    let (mut a, mut b) = (sit(&folder.path.join("s.db")), sit(&folder.path.join("s.db")));
    let (x, y) = (actor("x/1"), actor("y/1"));
    a.open(&x).unwrap();
    a.commit(&x, Change { status: Status::Completed, ..change(1) });
    a.open(&y).unwrap();
    a.commit(&y, change(1));
    for watched in [&x, &y] {
        b.store.share(WOKEN, Sharing::Watch(watched.clone()));
    }
    // Behind what the house reads for itself.
    b.ask(Request::Alarms { after: None, limit: 1 });
    a.commit(&y, Change { status: Status::Failed, ..change(2) });
    a.commit(&x, Change { status: Status::Completed, ..change(2) });
    let news = b.news();
    assert!(matches!(&news[..], [News::Halted(last)] if *last == y), "the first was among what was drained: {news:?}");
}

#[test]
fn the_last_one_that_leaves_closes_the_file_and_one_thread_has_it_once() {
    let folder = Folder::new();
    let (file, lock) = (folder.path.join("s.db"), folder.path.join("s.db-lock"));
    let (mut a, mut b) = (sit(&file), sit(&file));
    let own = Some(thread::current().id());
    let again = || {
        let options =
            OpenOptions { environment: own, lock_patience: Duration::ZERO, ..OpenOptions::new(Arc::new(|| {})) };
        let mut store = pawl_store::open(&format!("sqlite:{}", file.display()), options).unwrap();
        store.flush();
        let mut done = Vec::new();
        store.drain(&mut done);
        (store, matches!(done[..], [(_, Completion::Ready(_))]))
    };
    let (first, second) = (again(), again());
    assert!(first.1 && !second.1, "one thread joins once");
    drop(first);
    a.store.close();
    assert!(lock.exists());
    b.store.close();
    assert!(!lock.exists());
    assert!(matches!(b.ask(Request::Alarms { after: None, limit: 1 }), Completion::Failed(_)));
}

#[test]
fn what_nobody_has_is_first_of_all_for_one_of_them() {
    let folder = Folder::new();
    let desks: Vec<Desk> = (0..3).map(|_| sit(&folder.path.join("s.db"))).collect();
    let mut shares = [0; 3];
    for n in 0..300 {
        let homes: Vec<usize> = (0..3).filter(|it| desks[*it].store.is_home(&actor(&format!("x/{n}")))).collect();
        assert_eq!(homes.len(), 1);
        shares[homes[0]] += 1;
    }
    assert!(shares.iter().all(|share| *share > 50), "{shares:?}");
}
