//! The error codes of `PostgreSQL` that the store tells apart: its documentation's appendix A, class by class.

/// What an error code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The connection can no longer be used. Nobody knows whether the statement took effect.
    Lost,
    /// A conflict with another transaction: the statement did nothing, and may succeed if it is sent again.
    Conflict,
    /// The server accepts no writes.
    ReadOnly,
    /// An earlier statement of the same transaction failed.
    Aborted,
    /// A limit in time, of the server or the role, or an operator ended the statement.
    Timeout,
    /// The server has no room, or has reached a limit.
    Full,
    /// The login was refused.
    LoginRefused,
    /// The user lacks a right.
    Forbidden,
    /// Tables, columns or functions are missing.
    SchemaMissing,
    /// Anything else.
    Refused,
}

/// What a code of five characters says.
pub(super) fn meaning(code: &str) -> Meaning {
    let class = code.get(..2).unwrap_or_default();
    match code {
        // 25: invalid transaction state.
        "25006" => Meaning::ReadOnly,
        "25P02" => Meaning::Aborted,
        // The server ended the connection: idle within a transaction, or its transaction took too long.
        "25P03" | "25P04"
        // 40: transaction rollback. "Statement completion unknown".
        | "40003"
        // 53: insufficient resources. Too many connections, of which one may end a moment later.
        | "53300"
        // 57: operator intervention. Shut down, crashed, not yet started, its database dropped, idle for too long.
        | "57P01" | "57P02" | "57P03" | "57P04" | "57P05" => Meaning::Lost,
        "40001" | "40P01" => Meaning::Conflict,
        // 3F and 42: names that are not there, and rights.
        "3F000" | "42P01" | "42703" | "42883" => Meaning::SchemaMissing,
        "42501" => Meaning::Forbidden,
        // 55 and 57: `lock_timeout`, `statement_timeout`, and `pg_cancel_backend`.
        "55P03" | "57014" => Meaning::Timeout,
        _ => match class {
            // Connection exceptions.
            "08" => Meaning::Lost,
            // Invalid authorization specification.
            "28" => Meaning::LoginRefused,
            // Insufficient resources, and limits of the server, such as for the size of a record.
            "53" | "54" => Meaning::Full,
            _ => Meaning::Refused,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::Meaning::{
        Aborted, Conflict, Forbidden, Full, LoginRefused, Lost, ReadOnly, Refused, SchemaMissing,
        Timeout,
    };
    use super::*;

    /// Appendix A of the documentation of version 18: every code of the classes that the store looks into,
    /// and one or two of each other class.
    const APPENDIX_A: &[(&str, Meaning)] = &[
        // 00 to 03: no errors.
        ("00000", Refused),
        ("01000", Refused),
        ("02000", Refused),
        ("03000", Refused),
        // 08: connection exception.
        ("08000", Lost),
        ("08001", Lost),
        ("08003", Lost),
        ("08004", Lost),
        ("08006", Lost),
        ("08007", Lost),
        ("08P01", Lost),
        // 09 to 24.
        ("09000", Refused),
        ("0A000", Refused),
        ("0B000", Refused),
        ("0F000", Refused),
        ("0L000", Refused),
        ("0P000", Refused),
        ("0Z000", Refused),
        ("20000", Refused),
        ("21000", Refused),
        ("22000", Refused),
        ("22P02", Refused),
        ("23503", Refused),
        ("23505", Refused),
        ("24000", Refused),
        // 25: invalid transaction state.
        ("25000", Refused),
        ("25001", Refused),
        ("25002", Refused),
        ("25003", Refused),
        ("25004", Refused),
        ("25005", Refused),
        ("25006", ReadOnly),
        ("25007", Refused),
        ("25008", Refused),
        ("25P01", Refused),
        ("25P02", Aborted),
        ("25P03", Lost),
        ("25P04", Lost),
        // 26, 27.
        ("26000", Refused),
        ("27000", Refused),
        // 28: invalid authorization specification.
        ("28000", LoginRefused),
        ("28P01", LoginRefused),
        // 2B to 3F.
        ("2B000", Refused),
        ("2BP01", Refused),
        ("2D000", Refused),
        ("2F000", Refused),
        ("34000", Refused),
        ("38000", Refused),
        ("39000", Refused),
        ("3B000", Refused),
        ("3B001", Refused),
        ("3D000", Refused),
        ("3F000", SchemaMissing),
        // 40: transaction rollback.
        ("40000", Refused),
        ("40001", Conflict),
        ("40002", Refused),
        ("40003", Lost),
        ("40P01", Conflict),
        // 42: syntax error or access rule violation.
        ("42000", Refused),
        ("42501", Forbidden),
        ("42601", Refused),
        ("42703", SchemaMissing),
        ("42704", Refused),
        ("42883", SchemaMissing),
        ("42P01", SchemaMissing),
        ("42P07", Refused),
        ("44000", Refused),
        // 53: insufficient resources.
        ("53000", Full),
        ("53100", Full),
        ("53200", Full),
        ("53300", Lost),
        ("53400", Full),
        // 54: program limit exceeded.
        ("54000", Full),
        ("54001", Full),
        ("54011", Full),
        ("54023", Full),
        // 55: object not in prerequisite state.
        ("55000", Refused),
        ("55006", Refused),
        ("55P02", Refused),
        ("55P03", Timeout),
        ("55P04", Refused),
        // 57: operator intervention.
        ("57000", Refused),
        ("57014", Timeout),
        ("57P01", Lost),
        ("57P02", Lost),
        ("57P03", Lost),
        ("57P04", Lost),
        ("57P05", Lost),
        // 58, F0, HV, P0, XX. The server ends a connection itself where these are fatal.
        ("58000", Refused),
        ("58030", Refused),
        ("58P01", Refused),
        ("58P02", Refused),
        ("F0000", Refused),
        ("HV000", Refused),
        ("P0000", Refused),
        ("P0001", Refused),
        ("XX000", Refused),
        ("XX001", Refused),
        ("XX002", Refused),
    ];

    #[test]
    fn every_code_means_what_the_documentation_says() {
        for (code, expected) in APPENDIX_A {
            assert_eq!(meaning(code), *expected, "{code}");
        }
    }
}
