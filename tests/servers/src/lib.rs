//! Real servers for tests, benchmarks and examples: each started on a free port in a temporary
//! folder, and stopped when its handle is dropped.
