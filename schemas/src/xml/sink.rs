//! One pass for one or several sinks.

use std::fmt;
use std::io::BufRead;

use super::error::XmlError;
use super::event::{Event, EventSink};
use super::limits::Limits;
use super::reader::{Memory, Reader};

/// Reads `input` to its end and shows every event to `sink`; [`Event::EndOfDocument`] is the last.
/// A tuple of sinks with one error type is a sink: see also [`MapErr`].
pub fn drive<S: EventSink>(
    input: impl BufRead,
    limits: &Limits,
    sink: &mut S,
) -> Result<(), DriveError<S::Error>> {
    run(&mut Reader::new(input, limits.clone()), sink)
}

/// The same with the memory of an earlier reading, which remains for a later one.
pub(crate) fn drive_with<S: EventSink>(
    memory: &mut Memory,
    input: impl BufRead,
    limits: &Limits,
    sink: &mut S,
) -> Result<(), DriveError<S::Error>> {
    let mut reader = Reader::with(input, limits.clone(), std::mem::take(memory));
    let outcome = run(&mut reader, sink);
    *memory = reader.into_memory();
    outcome
}

fn run<S: EventSink>(
    reader: &mut Reader<impl BufRead>,
    sink: &mut S,
) -> Result<(), DriveError<S::Error>> {
    loop {
        let event = reader.next().map_err(DriveError::Xml)?;
        sink.event(&event).map_err(DriveError::Sink)?;
        if matches!(event, Event::EndOfDocument) {
            return Ok(());
        }
    }
}

/// Why [`drive`] ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriveError<E> {
    /// The document is not well-formed, exceeds a limit, or could not be read.
    Xml(XmlError),
    /// The sink had enough.
    Sink(E),
}

impl<E: fmt::Display> fmt::Display for DriveError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xml(error) => error.fmt(f),
            Self::Sink(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for DriveError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Xml(error) => Some(error),
            Self::Sink(error) => Some(error),
        }
    }
}

/// A sink whose errors are turned into those of another type, so that it fits into a tuple.
pub struct MapErr<S, F> {
    /// The sink behind.
    pub sink: S,
    /// What becomes of its errors.
    pub map: F,
}

impl<S: EventSink, E, F: FnMut(S::Error) -> E> EventSink for MapErr<S, F> {
    type Error = E;

    fn event(&mut self, event: &Event<'_>) -> Result<(), E> {
        self.sink.event(event).map_err(&mut self.map)
    }
}

impl<S: EventSink + ?Sized> EventSink for &mut S {
    type Error = S::Error;

    fn event(&mut self, event: &Event<'_>) -> Result<(), S::Error> {
        (**self).event(event)
    }
}

impl<A: EventSink, B: EventSink<Error = A::Error>> EventSink for (A, B) {
    type Error = A::Error;

    fn event(&mut self, event: &Event<'_>) -> Result<(), A::Error> {
        self.0.event(event)?;
        self.1.event(event)
    }
}

impl<A, B, C> EventSink for (A, B, C)
where
    A: EventSink,
    B: EventSink<Error = A::Error>,
    C: EventSink<Error = A::Error>,
{
    type Error = A::Error;

    fn event(&mut self, event: &Event<'_>) -> Result<(), A::Error> {
        self.0.event(event)?;
        self.1.event(event)?;
        self.2.event(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(usize, usize);

    impl EventSink for Count {
        type Error = &'static str;

        fn event(&mut self, _: &Event<'_>) -> Result<(), &'static str> {
            self.0 += 1;
            if self.0 > self.1 { Err("enough") } else { Ok(()) }
        }
    }

    #[test]
    fn several_sinks_see_one_pass() {
        let (mut one, mut two) = (Count(0, 9), Count(0, 9));
        let second = MapErr { sink: &mut two, map: |_| "mapped" };
        drive(&b"<a>x</a>"[..], &Limits::default(), &mut (&mut one, second)).expect("read");
        assert_eq!((one.0, two.0), (4, 4));
    }

    #[test]
    fn a_sink_ends_the_pass_at_once() {
        let (mut one, mut two, mut three) = (Count(0, 9), Count(0, 2), Count(0, 9));
        let second = MapErr { sink: &mut two, map: |_| "mapped" };
        let mut all = (&mut one, second, &mut three);
        let error = drive(&b"<a>x</a>"[..], &Limits::default(), &mut all);
        assert_eq!(error, Err(DriveError::Sink("mapped")));
        assert_eq!((one.0, three.0), (3, 2));
    }
}
