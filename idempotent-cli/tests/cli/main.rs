//! The command as an operator and a script use it: the program itself, against real servers.

mod benchmark;
mod changes;
mod doctor;
mod doctor_checks;
mod failures;
mod golden;
mod hints;
mod large;
mod listing;
mod memory;
mod migrating;
mod moving;
mod moving_under_load;
mod on_call;
mod on_call_http;
mod outbox;
mod run;
mod scanning;
mod schema;
mod shop;
mod sizes;
mod steps;
mod stores;
mod terminal;
mod unreadable;
mod watching;
