//! Which commands need somebody's consent.

use super::{Command, Consent, OutboxAction};

impl Command {
    /// What comes with the change, if it makes one that has an audit line.
    pub(crate) const fn consent(&self) -> Option<&Consent> {
        match self {
            Self::Resolve(arguments) => Some(&arguments.consent),
            Self::ResolveStep(arguments) | Self::CorrectStep(arguments) => Some(&arguments.consent),
            Self::Correct(arguments) => Some(&arguments.consent),
            Self::Resume(arguments) => Some(&arguments.consent),
            Self::Release(arguments) => Some(&arguments.consent),
            Self::Purge(arguments) => Some(&arguments.consent),
            Self::Migrate(arguments) => Some(&arguments.consent),
            Self::Move(arguments) => Some(&arguments.consent),
            Self::Outbox(arguments) => match &arguments.action {
                OutboxAction::Retry { consent, .. } | OutboxAction::Discard { consent, .. } => {
                    Some(consent)
                }
                OutboxAction::List { .. } | OutboxAction::Show { .. } => None,
            },
            Self::List(_)
            | Self::Show(_)
            | Self::Stats(_)
            | Self::Watch(_)
            | Self::Doctor(_)
            | Self::Bench(_)
            | Self::Completions { .. }
            | Self::Man => None,
        }
    }
}
