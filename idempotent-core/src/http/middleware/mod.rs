//! The tower middleware: the layer, its options, and the service that it makes.

mod future;
mod guarded_request;
mod in_flight;
mod layer;
mod options;
mod read_body;
mod request_kind;
mod scope;
mod service;
mod settings;
mod state;
mod without_scope;

pub use self::future::ResponseFuture;
pub use self::layer::IdempotencyLayer;
pub use self::service::IdempotencyService;
pub use self::without_scope::LayerWithoutScope;
