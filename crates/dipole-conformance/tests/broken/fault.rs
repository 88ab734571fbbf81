//! What the broken library does wrong, and the case that names it.

use Base::{DistantSim, Sim, Tokio};

/// One thing that the broken library does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    // Peek
    PeekConsumes,
    PeekOfNothingReads,
    EndIsGivenOnce,
    EndLosesHeldBytes,
    TimeoutLosesHeldBytes,
    EachByteRestartsTheTimer,
    TimeoutBeatsHeldBytes,
    DroppedFillLosesAByte,
    // Skip, len
    SkipsTooFar,
    LenCountsOutput,
    // Release
    ReleaseDropsUnread,
    ReleaseKeepsMemory,
    // Read
    EndReadsAsReset,
    // Malloc, write_binary, flush
    MallocIsNotZeroed,
    BinaryOvertakesMalloc,
    SendsBeforeFlush,
    CopiesLargeWrites,
    FlushDoesNotWait,
    DroppedFlushRepeatsAByte,
    ResumesAfterWriteTimeout,
    ForgetsFlushErrors,
    IgnoresThatThePeerIsGone,
    // Timeouts
    KeepsTheFirstTimeout,
    OneReadTimeoutForAll,
    // Close, addresses
    IgnoresTheCloser,
    HalfCloseClosesAll,
    ResetReadsAsEnd,
    ClosingTwicePanics,
    ReadsAfterCloseAsEnd,
    ForgetsThePeerAtClose,
    DelaysSmallWrites,
    LeavesTasks,
    // Dialer
    LeaksDescriptors,
    RefusedWithoutItsKind,
    IgnoresTheDialTimeout,
    DroppedDialGoesOn,
    DialsNoUnixPaths,
    OneFamilyAfterTheOther,
    // Listener
    SharesATakenAddress,
    ReportsPortZero,
    OneShardStarves,
    GivesUpWithoutDescriptors,
    IgnoresTheGivenDescriptor,
    TakesALivePath,
}

/// What the broken library is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// The simulated network.
    Sim,
    /// The simulated network, every chunk 50 ms under way.
    DistantSim,
    /// Sockets.
    Tokio,
}

/// Each fault, the library it is built into, and the case that is to catch it.
pub(crate) const FAULTS: &[(Fault, Base, &str)] = &[
    (Fault::PeekConsumes, Sim, "B1"),
    (Fault::PeekOfNothingReads, Sim, "B2"),
    (Fault::EndLosesHeldBytes, Sim, "B5"),
    (Fault::EndIsGivenOnce, Sim, "B6"),
    (Fault::TimeoutLosesHeldBytes, Sim, "B7"),
    (Fault::EachByteRestartsTheTimer, Sim, "B9"),
    (Fault::TimeoutBeatsHeldBytes, Sim, "B10"),
    (Fault::DroppedFillLosesAByte, Sim, "B13"),
    (Fault::SkipsTooFar, Sim, "B16"),
    (Fault::LenCountsOutput, Sim, "B18"),
    (Fault::ReleaseDropsUnread, Sim, "B20"),
    (Fault::ReleaseKeepsMemory, Tokio, "B21"),
    (Fault::EndReadsAsReset, Sim, "B24"),
    (Fault::MallocIsNotZeroed, Sim, "B29"),
    (Fault::BinaryOvertakesMalloc, Sim, "B32"),
    (Fault::SendsBeforeFlush, Sim, "B33"),
    (Fault::CopiesLargeWrites, Sim, "B34"),
    (Fault::FlushDoesNotWait, Sim, "B35"),
    (Fault::DroppedFlushRepeatsAByte, Sim, "B36"),
    (Fault::ResumesAfterWriteTimeout, Sim, "B38"),
    (Fault::ForgetsFlushErrors, Sim, "B39"),
    (Fault::IgnoresThatThePeerIsGone, Sim, "B40"),
    (Fault::KeepsTheFirstTimeout, Sim, "B42"),
    (Fault::OneReadTimeoutForAll, Sim, "B43"),
    (Fault::IgnoresTheCloser, Sim, "B44"),
    (Fault::HalfCloseClosesAll, Sim, "B47"),
    (Fault::ResetReadsAsEnd, Sim, "B48"),
    (Fault::ClosingTwicePanics, Sim, "B49"),
    (Fault::ReadsAfterCloseAsEnd, Sim, "B50"),
    (Fault::ForgetsThePeerAtClose, Sim, "B51"),
    (Fault::DelaysSmallWrites, Tokio, "B53"),
    (Fault::LeavesTasks, Sim, "B54"),
    (Fault::RefusedWithoutItsKind, Sim, "D1"),
    (Fault::IgnoresTheDialTimeout, DistantSim, "D2"),
    (Fault::LeaksDescriptors, Tokio, "D2"),
    (Fault::DroppedDialGoesOn, DistantSim, "D3"),
    (Fault::DialsNoUnixPaths, Tokio, "D4"),
    (Fault::OneFamilyAfterTheOther, Tokio, "D5"),
    (Fault::SharesATakenAddress, Sim, "L1"),
    (Fault::ReportsPortZero, Sim, "L2"),
    (Fault::OneShardStarves, Sim, "L3"),
    (Fault::GivesUpWithoutDescriptors, Tokio, "L5"),
    (Fault::IgnoresTheGivenDescriptor, Tokio, "L6"),
    (Fault::TakesALivePath, Tokio, "L7"),
];
