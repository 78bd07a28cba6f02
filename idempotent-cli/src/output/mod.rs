//! What the command prints: `writer` is where to, `document` the JSON of it, `table` and `card` the text, `text` the
//! forms of times and names, and `value` results of calls as JSON. `screen` is a whole screen of a terminal, `progress` a line of it, and `steps` the
//! journal of a call; `derived` keys that it sends.

mod card;
mod derived;
mod document;
mod progress;
mod screen;
mod step_name;
mod steps;
mod table;
mod text;
mod value;
mod writer;

pub(crate) use self::card::{card, new_result, paragraph};
pub(crate) use self::derived::DerivedDocument;
pub(crate) use self::document::{
    BenchRowDocument, ContentDocument, Document, LeftDocument, MessageDocument, OldestDocument,
    OperationDocument, RecordDocument, ResultDocument, seconds,
};
pub(crate) use self::progress::Progress;
pub(crate) use self::screen::Screen;
pub(crate) use self::step_name::{StepName, StepReference};
pub(crate) use self::table::RecordTable;
pub(crate) use self::text::{age, clean, clipped, grouped, lasting, timestamp};
pub(crate) use self::value::Value;
pub(crate) use self::writer::{Output, Style};
