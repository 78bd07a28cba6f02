//! The embedded store.
/// The embedded store.
#[derive(Debug)]
pub struct MemoryStore;
/// Its builder.
#[derive(Debug)]
pub struct MemoryStoreBuilder;
