//! How a case says what it found, so that it reads as straight code with `?`.

use std::fmt::Display;
use std::panic::Location;

use dipole_net::{Error, ErrorKind};

use crate::Outcome;

/// What a case ends with: `Ok` when its statement holds.
pub(crate) type Verdict<T = ()> = Result<T, Failure>;

/// Why a case did not pass.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The statement does not hold: what was expected and what was seen.
    Broken(String),
    /// Something came later than its slack allows. The machine may be at fault, so the runners of
    /// [`pair`](crate::pair) try again before it counts; what comes early is `Broken` at once.
    Late(String),
    /// The library declares that it lacks this capability.
    NotApplicable(String),
}

impl Failure {
    /// The statement does not hold.
    #[track_caller]
    pub(crate) fn broken(text: impl Display) -> Self {
        Self::Broken(located(text, Location::caller()))
    }

    /// Something came too late.
    #[track_caller]
    pub(crate) fn late(text: impl Display) -> Self {
        Self::Late(located(text, Location::caller()))
    }

    /// The statement needs `capability`, which the library declares absent.
    pub(crate) fn not_applicable(capability: &str) -> Self {
        Self::NotApplicable(capability.to_owned())
    }

    /// The same, said of one part of the case: an address, an end, a seed.
    #[must_use]
    pub(crate) fn of(self, part: impl Display) -> Self {
        match self {
            Self::Broken(text) => Self::Broken(format!("{part}: {text}")),
            Self::Late(text) => Self::Late(format!("{part}: {text}")),
            Self::NotApplicable(text) => Self::NotApplicable(text),
        }
    }
}

impl From<Error> for Failure {
    /// A network error that the case did not expect.
    #[track_caller]
    fn from(error: Error) -> Self {
        Self::broken(format_args!("unexpected Err({:?}): {error}", error.kind()))
    }
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Ok(()) => Self::Passed,
            Err(Failure::Broken(text) | Failure::Late(text)) => Self::Failed(text),
            Err(Failure::NotApplicable(capability)) => Self::NotApplicable(capability),
        }
    }
}

/// Fails with `text` unless `holds`.
#[track_caller]
pub(crate) fn expect<T: Display>(holds: bool, text: impl FnOnce() -> T) -> Verdict {
    if holds { Ok(()) } else { Err(Failure::broken(text())) }
}

/// Fails unless the two are equal; `what` says what they are.
#[track_caller]
pub(crate) fn expect_equal<T: PartialEq + std::fmt::Debug>(
    seen: T,
    expected: T,
    what: impl Display,
) -> Verdict {
    expect(seen == expected, || format!("{what} is {seen:?}, expected {expected:?}"))
}

/// Fails unless `seen` is exactly `expected`; says where they first differ.
#[track_caller]
pub(crate) fn expect_bytes(seen: &[u8], expected: &[u8], what: impl Display) -> Verdict {
    if seen == expected {
        return Ok(());
    }
    let same = seen.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let some = |bytes: &[u8]| format!("{:02x?}", &bytes[same..bytes.len().min(same + 8)]);
    Err(Failure::broken(format_args!(
        "{what}: {} bytes, expected {}; from byte {same} on {}, expected {}",
        seen.len(),
        expected.len(),
        some(seen),
        some(expected),
    )))
}

/// Fails unless `result` is an error of `kind`; gives the error.
#[track_caller]
pub(crate) fn expect_error<T>(
    result: dipole_net::Result<T>,
    kind: &ErrorKind,
    what: impl Display,
) -> Verdict<Error> {
    expect_error_of(result, std::slice::from_ref(kind), what)
}

/// Fails unless `result` is an error of one of `kinds`; gives the error.
#[track_caller]
pub(crate) fn expect_error_of<T>(
    result: dipole_net::Result<T>,
    kinds: &[ErrorKind],
    what: impl Display,
) -> Verdict<Error> {
    let expected = || {
        let names: Vec<_> = kinds.iter().map(|kind| format!("Err({kind:?})")).collect();
        names.join(" or ")
    };
    match result {
        Err(error) if kinds.contains(error.kind()) => Ok(error),
        Err(error) => Err(Failure::broken(format_args!(
            "{what} gave Err({:?}), expected {}: {error}",
            error.kind(),
            expected()
        ))),
        Ok(_) => Err(Failure::broken(format_args!("{what} gave Ok, expected {}", expected()))),
    }
}

fn located(text: impl Display, place: &Location<'_>) -> String {
    let file = place.file().rsplit("src/").next().unwrap_or_default();
    format!("{text} [{file}:{}]", place.line())
}
