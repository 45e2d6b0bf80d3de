//! The users, whom both programs know.

use sqlx::SqlitePool;

pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password_hash: String,
    /// One more after each change of the password: tokens of before are not taken any more.
    pub(crate) version: i64,
}

#[derive(Clone)]
pub(crate) struct Users(SqlitePool);

impl Users {
    pub(crate) async fn open(database: &str) -> Result<Self, sqlx::Error> {
        let pool = SqlitePool::connect(&format!("sqlite:{database}?mode=rwc")).await?;
        let table = "CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, password_hash TEXT NOT NULL, \
                     version INTEGER NOT NULL DEFAULT 0)";
        sqlx::query(table).execute(&pool).await?;
        let users = Self(pool);
        for name in ["alice", "bob", "carol"] {
            if users.named(name).await?.is_none() {
                let insert = sqlx::query("INSERT INTO users (name, password_hash) VALUES (?, ?)");
                let hash = password_auth::generate_hash("wonderland");
                insert.bind(name).bind(hash).execute(&users.0).await?;
            }
        }
        Ok(users)
    }

    pub(crate) async fn named(&self, name: &str) -> Result<Option<User>, sqlx::Error> {
        let query = "SELECT name, password_hash, version FROM users WHERE name = ?";
        let query = sqlx::query_as(query).bind(name);
        let row: Option<(String, String, i64)> = query.fetch_optional(&self.0).await?;
        Ok(row.map(|(name, password_hash, version)| User {
            name,
            password_hash,
            version,
        }))
    }

    pub(crate) async fn set_password(&self, name: &str, password: &str) -> Result<(), sqlx::Error> {
        let update = "UPDATE users SET password_hash = ?, version = version + 1 WHERE name = ?";
        let hash = password_auth::generate_hash(password);
        let update = sqlx::query(update).bind(hash).bind(name);
        update.execute(&self.0).await.map(drop)
    }
}

impl User {
    pub(crate) fn has_password(&self, password: &str) -> bool {
        password_auth::verify_password(password, &self.password_hash).is_ok()
    }
}
