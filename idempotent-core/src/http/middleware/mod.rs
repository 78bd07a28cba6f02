//! The tower middleware: the layer, its options, and the service that it makes.

mod content_keys;
mod future;
mod guarded_request;
mod in_flight;
mod inner_call;
mod layer;
mod layer_limits;
mod limit_options;
mod missing_parts;
mod options;
mod pass_body;
mod read_body;
mod read_budget;
mod rebuild_body;
mod request_key;
mod request_kind;
mod scope;
mod service;
mod settings;
mod state;
mod without_scope;

pub use self::future::ResponseFuture;
pub use self::layer::IdempotencyLayer;
pub use self::pass_body::{PassBody, RequestBody};
pub use self::rebuild_body::RebuildBody;
pub use self::service::IdempotencyService;
pub use self::without_scope::LayerWithoutScope;
