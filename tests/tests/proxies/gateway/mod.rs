//! Proxies in front of two apps, as their distributors set them: a configuration says where to listen
//! and whom to ask in turn, and nothing about connections or about sending again.

mod apache;
mod caddy;
mod haproxy;
mod kind;
mod traefik;

pub(crate) use kind::{Gateway, Kind};
