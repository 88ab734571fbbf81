//! What the broken library does wrong, and the case that names it.

/// One thing that the broken library does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    OpeningSends,
    CountsStreamsFromOne,
    LimitIsATimeout,
    DroppedOpenKeepsItsCredit,
    DroppedAcceptLosesAStream,
    EndIsGivenOnce,
    IgnoresReadDeadlines,
    StopsWithoutTheCode,
    ResetReadsAsEnd,
    IgnoresWriteDeadlines,
    ClosingTwiceFails,
    CancelEndsWell,
    NeverTellsOfAStop,
    IgnoresPriorities,
    ClosesWithoutTheCode,
    ForgetsThatThePeerMoves,
    LosesWhatIsTooLarge,
    EarlyDataIsNotMarked,
    NeverLetsGo,
}

/// Each fault, and the case that is to catch it.
pub(crate) const FAULTS: &[(Fault, &str)] = &[
    (Fault::OpeningSends, "S1"),
    (Fault::CountsStreamsFromOne, "S2"),
    (Fault::LimitIsATimeout, "S3"),
    (Fault::DroppedOpenKeepsItsCredit, "S4"),
    (Fault::DroppedAcceptLosesAStream, "S8"),
    (Fault::EndIsGivenOnce, "S11"),
    (Fault::IgnoresReadDeadlines, "S12"),
    (Fault::StopsWithoutTheCode, "S13"),
    (Fault::ResetReadsAsEnd, "S14"),
    (Fault::IgnoresWriteDeadlines, "S18"),
    (Fault::ClosingTwiceFails, "S19"),
    (Fault::CancelEndsWell, "S20"),
    (Fault::NeverTellsOfAStop, "S21"),
    (Fault::IgnoresPriorities, "S24"),
    (Fault::ClosesWithoutTheCode, "S25"),
    (Fault::ForgetsThatThePeerMoves, "S30"),
    (Fault::LosesWhatIsTooLarge, "S31"),
    (Fault::EarlyDataIsNotMarked, "S32"),
    (Fault::NeverLetsGo, "S34"),
];
