//! The login that the application configured in place of the one in the URLs.

use redis::ConnectionInfo;

use super::credentials::ChangingLogin;

/// User, password and database, where they are not those of the URL.
#[derive(Clone, Default)]
pub(in crate::backends::redis) struct Login {
    pub(in crate::backends::redis) username: Option<String>,
    pub(in crate::backends::redis) password: Option<String>,
    pub(in crate::backends::redis) database: Option<i64>,
    /// In place of the password, and perhaps of the user.
    pub(in crate::backends::redis) changing: Option<ChangingLogin>,
}

impl Login {
    pub(in crate::backends::redis) fn apply(&self, info: ConnectionInfo) -> ConnectionInfo {
        let mut settings = info.redis_settings().clone();
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        if let Some(database) = self.database {
            settings = settings.set_db(database);
        }
        info.set_redis_settings(settings)
    }
}
