//! Inputs, from the adapter. Every value is copied out of the JavaScript buffer, which is only there during the call.

use bytes::Bytes;
use pawl_core::codec::record::CallKind;
use pawl_core::failure::{Failure, FailureKind};
use pawl_core::inbox::Purpose;
use pawl_core::input::{
    Answer, CellWrites, Create, Embedded, Ended, Fork, HostMessage, Input as ActorInput, Iterated, Keep, NextWait,
    Outcome, OutgoingCall, Receives, Schedule, Send, Start, StepTraits, Until, Writes,
};
use pawl_core::retry::Policy;
use pawl_core::scope::ForkRule;
use pawl_core::state::{Delta, Reads};
use pawl_embed::{Limits, Rows};
use pawl_host::{Input, Query};
use thiserror::Error;

/// The adapter wrote something that is no input: a defect, or two versions in one process.
#[derive(Debug, Error)]
#[error("the boundary was handed bytes that are no input: {what} at offset {offset}")]
pub struct WireError {
    what: String,
    offset: usize,
}

type Result<T> = std::result::Result<T, WireError>;

/// What the adapter says: to the host, or to the desk where the work on drivers lies.
pub enum Said {
    Host(Input),
    /// The rows of an actor.
    Loaded {
        ticket: u64,
        rows: Rows,
        limits: Limits,
    },
    /// They could not be read.
    NotLoaded {
        ticket: u64,
        why: String,
    },
    /// What became of calls: `None`: all went well; otherwise whether it is certain that the failed one did nothing, and why.
    Written {
        ticket: u64,
        failed: Option<(bool, String)>,
    },
    /// The calls after the commit have been made; these failed.
    Settled {
        ticket: u64,
        failed: Vec<usize>,
    },
    /// An actor of this name is never opened again.
    Forget {
        actor: String,
    },
}

/// Puts everything that `bytes` say into `said`, in the place of what is there.
pub fn read_inputs(bytes: &[u8], said: &mut Vec<Said>) -> Result<()> {
    said.clear();
    let mut reader = Reader::new(bytes);
    while !reader.is_at_end() {
        said.push(reader.said()?);
    }
    Ok(())
}

pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn said(&mut self) -> Result<Said> {
        let kind = self.byte()?;
        let handle = self.number()?;
        Ok(match kind {
            40 => {
                let stated = self.optional(|r| Ok((r.number()? as usize, r.number()? as usize)))?;
                let stated = stated.map(|(rows, bytes)| Limits { rows, bytes, together: false });
                let limits = Limits { together: self.flag()?, ..Limits::of(stated, self.flag()?) };
                Said::Loaded { ticket: handle, rows: self.rows()?, limits }
            }
            41 => Said::NotLoaded { ticket: handle, why: self.text()? },
            42 => Said::Written { ticket: handle, failed: self.optional(|r| Ok((r.flag()?, r.text()?)))? },
            43 => {
                let count = self.number()?;
                let failed = (0..count).map(|_| Ok(self.number()? as usize)).collect::<Result<_>>()?;
                Said::Settled { ticket: handle, failed }
            }
            44 => Said::Forget { actor: self.text()? },
            kind => Said::Host(self.input(kind, handle)?),
        })
    }

    fn input(&mut self, kind: u8, handle: u64) -> Result<Input> {
        let input = match kind {
            1 => return Ok(Input::Open { handle, name: self.text()? }),
            2 => return Ok(Input::Close { handle }),
            3 => return Ok(Input::Resume),
            60 => return Ok(Input::Retire { handle }),
            61 => {
                let after = self.optional(Self::text)?;
                return Ok(Input::List { ticket: handle, after, limit: self.number()? as usize });
            }
            81 => {
                let count = self.number()?;
                let puts =
                    (0..count).map(|_| Ok((self.text()?, self.optional(Self::copied)?))).collect::<Result<_>>()?;
                return Ok(Input::Note { ticket: handle, puts });
            }
            82 => return Ok(Input::Notes { ticket: handle, prefix: self.text()? }),
            115 => {
                return Ok(Input::SeeAt { ticket: handle, name: self.text()?, entry_id: self.text()? });
            }
            62 => return Ok(Input::See { ticket: handle, name: self.text()? }),
            4 => ActorInput::Create(Create {
                call: self.number()?,
                workflow: self.flag()?,
                input: self.optional(Self::copied)?,
                state: self.optional(Self::copied)?,
                state_version: self.small()?,
                hosted: self.flag()?,
                ordered: self.flag()?,
            }),
            5 => ActorInput::Migrate { state: self.copied()?, version: self.small()? },
            6 => ActorInput::Start(Start {
                reports: self.flag()?,
                code_version: self.text()?.into(),
                guarded: self.flag()?,
                embedded: self.optional(Self::embedded)?,
            }),
            7 => ActorInput::Send {
                call: self.number()?,
                name: self.text()?,
                body: self.copied()?,
                delay_ms: self.time()?,
                keep: self.optional(Self::keep)?,
            },
            8 => self.step()?,
            9 => ActorInput::Sleep {
                scope: self.number()?,
                op: self.number()?,
                name: self.text()?,
                until: self.until()?,
            },
            10 => ActorInput::Next { scope: self.number()?, op: self.number()?, wait: self.wait()? },
            11 => ActorInput::Loop {
                scope: self.number()?,
                op: self.number()?,
                name: self.text()?,
                state: self.optional(Self::copied)?,
                keep: self.small()?,
                every: self.small()?,
            },
            12 => ActorInput::Settle { op: self.number()?, attempt: self.small()?, outcome: self.outcome()? },
            13 => {
                ActorInput::Acted { call: self.number()?, outcome: self.outcome()?, keep: self.optional(Self::keep)? }
            }
            14 => ActorInput::Reported { report: self.number()?, outcome: self.outcome()? },
            15 => ActorInput::Iterated { scope: self.number()?, outcome: self.iterated()? },
            16 => ActorInput::Ended { scope: self.number()?, outcome: self.ended()? },
            17 => ActorInput::Pins { oldest: self.optional(Self::number)? },
            18 => ActorInput::Suspend,
            19 => return Ok(Input::Pulse),
            20 => {
                ActorInput::Fork { scope: self.number()?, op: self.number()?, name: self.text()?, fork: self.fork()? }
            }
            21 => ActorInput::Branched { scope: self.number()?, outcome: self.ended()? },
            22 => ActorInput::Try { scope: self.number()?, op: self.number()?, name: self.text()? },
            23 => ActorInput::Left { scope: self.number()?, threw: self.flag()? },
            24 => ActorInput::Version {
                scope: self.number()?,
                op: self.number()?,
                name: self.text()?,
                latest: self.small()?,
            },
            25 => ActorInput::Removed {
                scope: self.number()?,
                op: self.number()?,
                name: self.text()?,
                kind: self.text()?,
            },
            26 => ActorInput::Checkpoint { scope: self.number()?, op: self.number()?, name: self.text()? },
            27 => {
                ActorInput::Post { scope: self.number()?, op: self.number()?, name: self.text()?, body: self.copied()? }
            }
            28 => ActorInput::Complete {
                op: self.number()?,
                message_id: self.text()?,
                reply: self.optional(Self::copied)?,
            },
            29 => {
                ActorInput::RollBack { scope: self.number()?, op: self.number()?, output: self.optional(Self::copied)? }
            }
            30 => ActorInput::Cancel {
                call: self.number()?,
                compensate: self.flag()?,
                reason: self.optional(Self::text)?,
            },
            33 => ActorInput::Polled { op: self.number()?, messages: self.messages()? },
            34 => ActorInput::Cell { name: self.text()?, value: self.copied()?, replace: self.flag()? },
            35 => ActorInput::Evict,
            36 => ActorInput::GoOn,
            31 => ActorInput::Retry { call: self.number()? },
            32 => ActorInput::Replay {
                call: self.number()?,
                entry_id: self.optional(Self::text)?,
                writes: self.writes()?,
            },
            45 => return Ok(Input::Look { handle, call: self.number()?, query: self.query()? }),
            130 => ActorInput::Stepped {
                scope: self.number()?,
                op: self.number()?,
                name: self.text()?,
                begun: self.time()?,
                ended: self.time()?,
                output: self.optional(Self::copied)?,
            },
            72 => ActorInput::Begun { op: self.number()?, attempt: self.small()? },
            68 => return Ok(Input::Call { name: self.text()?, id: self.text()?, body: self.copied()? }),
            69 => return Ok(Input::Answer { handle, id: self.text()?, body: self.copied()? }),
            70 => return Ok(Input::Watch { name: self.text()? }),
            71 => return self.called(handle),
            92 => return Ok(Input::Heed { process: self.number()? }),
            105 => return Ok(Input::Listen { name: self.text()?, listens: self.flag()? }),
            106 => return Ok(Input::Event { name: self.text()?, body: self.copied()? }),
            37 => ActorInput::Took { scope: self.number()?, count: self.small()? },
            52..=59 => self.dealing(kind)?,
            80 => ActorInput::Schedules(self.schedules()?),
            kind => return Err(self.wrong(format!("kind {kind}"))),
        };
        Ok(Input::Actor { handle, input })
    }

    /// What actors do to each other.
    fn dealing(&mut self, kind: u8) -> Result<ActorInput> {
        Ok(match kind {
            52 => ActorInput::Receives(Receives {
                names: self.texts()?,
                answered: self.texts()?,
                policy: self.policy()?,
                reports: self.flag()?,
            }),
            53 => ActorInput::Received { receipt: self.number()?, attempt: self.small()?, outcome: self.outcome()? },
            54 => ActorInput::Call {
                scope: self.number()?,
                op: self.number()?,
                name: self.text()?,
                call: OutgoingCall {
                    kind: if self.flag()? { CallKind::Ask } else { CallKind::Child },
                    to: self.text()?,
                    message: self.text()?,
                    body: self.copied()?,
                    timeout_ms: self.optional(Self::time)?,
                },
            },
            55 => ActorInput::NotOrdered { failure: self.failure()? },
            56 => ActorInput::Destroy { call: self.number()? },
            kind => return Err(self.wrong(format!("kind {kind}"))),
        })
    }

    fn keep(&mut self) -> Result<Keep> {
        Ok(Keep { key: self.text()?, keep_ms: self.time()?, always: self.flag()? })
    }

    fn texts(&mut self) -> Result<Vec<String>> {
        let count = self.number()?;
        (0..count).map(|_| self.text()).collect()
    }

    fn query(&mut self) -> Result<Query> {
        if self.flag()? {
            return Ok(Query::Replay { entry_id: self.optional(Self::text)?, rewinds: self.flag()? });
        }
        Ok(Query::StateAt { entry_id: self.text()? })
    }

    /// They share one copy of what crossed.
    fn rows(&mut self) -> Result<Rows> {
        let (count, length) = (self.number()?, self.number()?);
        let memory = Bytes::copy_from_slice(self.take(length)?);
        let mut reader = Reader::new(&memory);
        let mut rows = Vec::with_capacity(count.min(length) as usize);
        for _ in 0..count {
            let (key, value) = (reader.bytes()?, reader.bytes()?);
            rows.push((memory.slice_ref(key), memory.slice_ref(value)));
        }
        Ok(rows)
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.number()?;
        self.take(length)
    }

    /// An input whose change carries the reply to a call of another process: its id, the reply unless the engine knows it, and
    /// the input.
    fn called(&mut self, handle: u64) -> Result<Input> {
        let (id, body, kind) = (self.text()?, self.optional(Self::copied)?, self.byte()?);
        let input = match (self.input(kind, handle)?, body) {
            (
                Input::Actor {
                    input: ActorInput::Acted { call, outcome: Outcome::Done { output, writes }, keep }, ..
                },
                Some(body),
            ) => {
                let writes = Writes { answer: Some(Answer { id, body }), ..writes };
                ActorInput::Acted { call, outcome: Outcome::Done { output, writes }, keep }
            }
            (Input::Actor { input: ActorInput::Send { call, name, body, delay_ms, keep }, .. }, None) => {
                ActorInput::SendFor { id, call, name, body, delay_ms, keep }
            }
            _ => return Err(self.wrong(format!("kind {kind}, which answers no call"))),
        };
        Ok(Input::Actor { handle, input })
    }

    fn policy(&mut self) -> Result<Policy> {
        Ok(Policy {
            max_retries: self.small()?,
            backoff_base_ms: self.time()?,
            backoff_max_ms: self.time()?,
            timeout_ms: self.optional(Self::time)?,
            retry_on_timeout: self.flag()?,
        })
    }

    fn messages(&mut self) -> Result<Vec<HostMessage>> {
        let count = self.number()?;
        let message =
            |r: &mut Self| Ok(HostMessage { id: r.text()?, name: r.text()?, body: r.copied()?, sent_at: r.time()? });
        (0..count).map(|_| message(self)).collect()
    }

    fn step(&mut self) -> Result<ActorInput> {
        let (scope, op, name, policy) = (self.number()?, self.number()?, self.text()?, self.policy()?);
        let bits = self.byte()?;
        let traits = StepTraits {
            ephemeral: bits & 1 != 0,
            undo: bits & 2 != 0,
            undo_attempted: bits & 4 != 0,
            exclusive: bits & 8 != 0,
        };
        let begun = if bits & 16 != 0 { Some(self.time()?) } else { None };
        Ok(ActorInput::Step { scope, op, name, policy, traits, begun })
    }

    fn embedded(&mut self) -> Result<Embedded> {
        Ok(Embedded { frontier: self.flag()?, patience_ms: self.time()?, controlled: self.flag()?, asks: self.flag()? })
    }

    fn fork(&mut self) -> Result<Fork> {
        let rule = match self.byte()? {
            0 => ForkRule::Join,
            1 => ForkRule::Race,
            2 => ForkRule::Map,
            3 => ForkRule::MapSettled,
            kind => return Err(self.wrong(format!("a fork of kind {kind}"))),
        };
        let concurrency = self.small()?;
        let count = self.number()?;
        let is_map = matches!(rule, ForkRule::Map | ForkRule::MapSettled);
        let name = |i: u64| if is_map { Ok(i.to_string()) } else { self.text() };
        Ok(Fork { rule, branches: (0..count).map(name).collect::<Result<_>>()?, concurrency })
    }

    fn until(&mut self) -> Result<Until> {
        Ok(if self.flag()? { Until::At(self.time()?) } else { Until::After(self.time()?) })
    }

    fn wait(&mut self) -> Result<NextWait> {
        let name = self.text()?;
        let count = self.number()?;
        let names = (0..count).map(|_| self.text()).collect::<Result<_>>()?;
        let (timeout_ms, count, completable) = (self.optional(Self::time)?, self.small()?, self.flag()?);
        Ok(NextWait { name, names, timeout_ms, count, completable })
    }

    fn outcome(&mut self) -> Result<Outcome> {
        if self.flag()? {
            let (failure, pin) = (self.failure()?, self.optional(Self::number)?);
            return Ok(Outcome::Threw { failure, pin, retry_at: self.optional(Self::time)? });
        }
        Ok(Outcome::Done { output: self.optional(Self::copied)?, writes: self.writes()? })
    }

    fn writes(&mut self) -> Result<Writes> {
        let cells = self.number()?;
        let cells = (0..cells).map(|_| self.cell_writes()).collect::<Result<_>>()?;
        let sends = self.number()?;
        let sends = (0..sends).map(|_| self.send()).collect::<Result<_>>()?;
        let rows = self.number()?;
        let rows = (0..rows).map(|_| Ok((self.copied()?, self.copied()?))).collect::<Result<_>>()?;
        Ok(Writes { cells, sends, rows, answer: None })
    }

    fn schedules(&mut self) -> Result<Vec<Schedule>> {
        let count = self.number()?;
        (0..count).map(|_| Ok(Schedule { name: self.text()?, spec: self.copied()?, next_at: self.time()? })).collect()
    }

    fn send(&mut self) -> Result<Send> {
        let (to, name, body) = (self.optional(Self::text)?, self.text()?, self.copied()?);
        let delay_ms = self.time()?;
        let purpose = match self.byte()? {
            0 => Purpose::Plain,
            1 => Purpose::Create { watched: false },
            2 => Purpose::Cancel,
            3 => Purpose::Destroy,
            4 => Purpose::Tick,
            kind => return Err(self.wrong(format!("a message of kind {kind}"))),
        };
        Ok(Send { to, name, body, delay_ms, purpose })
    }

    pub fn cell_writes(&mut self) -> Result<CellWrites> {
        let cell = self.text()?;
        let pin = self.number()?;
        let delta = self.optional(Self::delta)?;
        let reads = self.optional(Self::copied)?;
        let reads = reads.map(|bytes| Reads::parse(&bytes)).transpose();
        Ok(CellWrites { cell, pin, delta, reads: reads.map_err(|error| self.wrong(error.to_string()))? })
    }

    pub fn delta(&mut self) -> Result<Delta> {
        let bytes = self.copied()?;
        Delta::parse(&bytes).map_err(|error| self.wrong(error.to_string()))
    }

    fn iterated(&mut self) -> Result<Iterated> {
        Ok(match self.byte()? {
            0 => Iterated::Continue(self.optional(Self::copied)?),
            3 => Iterated::Ahead(self.optional(Self::copied)?),
            1 => Iterated::Break(self.optional(Self::copied)?),
            2 => Iterated::Threw,
            kind => return Err(self.wrong(format!("an iteration's end of kind {kind}"))),
        })
    }

    fn ended(&mut self) -> Result<Ended> {
        if self.flag()? {
            return Ok(Ended::Threw { failure: self.failure()?, because: self.optional(Self::number)? });
        }
        Ok(Ended::Returned(self.optional(Self::copied)?))
    }

    fn failure(&mut self) -> Result<Failure> {
        let kind = match self.byte()? {
            0 => FailureKind::Error,
            1 => FailureKind::Critical,
            2 => FailureKind::Rollback,
            3 => FailureKind::Timeout,
            kind => return Err(self.wrong(format!("a failure of kind {kind}"))),
        };
        Ok(Failure {
            kind,
            name: self.text()?,
            message: self.text()?,
            stack: self.optional(Self::text)?,
            fields: self.optional(Self::copied)?,
        })
    }

    pub fn number(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..56).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.wrong("a number of more than 53 bits".to_owned()))
    }

    fn small(&mut self) -> Result<u32> {
        let number = self.number()?;
        u32::try_from(number).map_err(|_| self.wrong(format!("{number} where 32 bits are expected")))
    }

    fn flag(&mut self) -> Result<bool> {
        Ok(self.byte()? != 0)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// Milliseconds; rounded up, so that nothing is early.
    fn time(&mut self) -> Result<i64> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(f64::from_be_bytes(bytes).ceil() as i64)
    }

    fn text(&mut self) -> Result<String> {
        let length = self.number()?;
        let bytes = self.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(self.wrong(format!("text that is not UTF-8: {error}"))),
        }
    }

    fn copied(&mut self) -> Result<Bytes> {
        let length = self.number()?;
        Ok(Bytes::copy_from_slice(self.take(length)?))
    }

    pub fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8]> {
        let left = self.bytes.len() - self.at;
        if length > left as u64 {
            return Err(self.wrong(format!("{left} bytes left where {length} are expected")));
        }
        let from = self.at;
        self.at += length as usize;
        Ok(&self.bytes[from..self.at])
    }

    fn wrong(&self, what: String) -> WireError {
        WireError { what, offset: self.at }
    }
}
