//! The store contract: the stores that keep it, and broken ones that do not.

#[path = "contract/broken.rs"]
mod broken;
#[path = "contract/faulty.rs"]
mod faulty;
#[path = "contract/flaws/mod.rs"]
mod flaws;
#[path = "contract/memory.rs"]
mod memory;
#[path = "contract/observed.rs"]
mod observed;
#[path = "contract/reference.rs"]
mod reference;
#[path = "contract/verdicts.rs"]
mod verdicts;
#[path = "contract/wrappers.rs"]
mod wrappers;
