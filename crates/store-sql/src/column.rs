//! The columns of the session table, the same for every database.

/// Defines the columns once, in the order in which they are written and read.
macro_rules! columns {
    ($first:ident = $first_name:literal, $($column:ident = $name:literal,)*) => {
        /// A column of the session table; its number is its place in a row.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Column { $first, $($column),* }

        impl Column {
            /// All of them, for an `INSERT`, a `SELECT` or a `RETURNING`.
            pub(crate) const LIST: &str = concat!($first_name, $(", ", $name),*);

            /// A parameter of the same name for each of them, for an `INSERT`.
            pub(crate) const PARAMETERS: &str = concat!(":", $first_name, $(", :", $name),*);

            #[cfg(test)]
            const ALL: &[Self] = &[Self::$first, $(Self::$column),*];

            pub(crate) const fn name(self) -> &'static str {
                match self { Self::$first => $first_name, $(Self::$column => $name),* }
            }
        }
    };
}

columns! {
    Id = "id",
    Subject = "subject",
    SubjectEpoch = "subject_epoch",
    ClientId = "client_id",
    Transport = "transport",
    Scope = "scope",
    CreatedAt = "created_at",
    AuthTime = "auth_time",
    Acr = "acr",
    Amr = "amr",
    Generation = "generation",
    TokenHash = "token_hash",
    PreviousHash = "previous_hash",
    Nonce = "nonce",
    RotatedAt = "rotated_at",
    RotatedBy = "rotated_by",
    EarlierRotations = "earlier_rotations",
    RotationKid = "rotation_kid",
    IdleExpiresAt = "idle_expires_at",
    AbsoluteExpiresAt = "absolute_expires_at",
    Remember = "remember",
    RevokedAt = "revoked_at",
    RevokeReason = "revoke_reason",
    LastSeenAt = "last_seen_at",
    Claims = "claims",
    DeviceLabel = "device_label",
    DeviceUserAgent = "device_user_agent",
    DeviceIpPrefix = "device_ip_prefix",
    PurgeAt = "purge_at",
    Binding = "binding",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_stands_at_its_place_in_the_list() {
        let names: Vec<&str> = Column::LIST.split(", ").collect();
        assert_eq!(names.len(), Column::ALL.len());
        for column in Column::ALL {
            assert_eq!(names[*column as usize], column.name());
        }
    }
}
