//! The store contract: the stores that keep it, and broken ones that do not.

#[path = "contract/broken.rs"]
mod broken;
#[path = "contract/flaws.rs"]
mod flaws;
#[path = "contract/memory.rs"]
mod memory;
#[path = "contract/reference.rs"]
mod reference;
#[path = "contract/wrappers.rs"]
mod wrappers;
