//! Worker processes, faults from a seed, a ledger and a checker: what the stores promise, tried.
