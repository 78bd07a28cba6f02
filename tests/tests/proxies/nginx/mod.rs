//! nginx as it may be configured: it sends a `POST` again when an app stalls or dies, and a client
//! retries on top of it.

mod failing_apps;
mod fault_plan;
mod load;
mod servers;
mod slow_apps;
