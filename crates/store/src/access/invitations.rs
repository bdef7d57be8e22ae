//! One-time codes by which somebody sets a first or a forgotten password.

use ow_domain::Time;
use ow_domain::config::ChangedBy;

use super::{AccessError, SecretHash, User, audit, users};
use crate::{Store, StoreError, sql_time};

/// Whose code it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Invited {
    pub user: User,
}

impl Store {
    /// Gives `user` a code; an earlier one of the same user ends.
    pub async fn invite(
        &self,
        user: &User,
        hash: &SecretHash,
        now: Time,
        expires_at: Time,
        by: &ChangedBy,
    ) -> Result<(), AccessError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin an invitation"))?;
        transaction
            .execute(
                "DELETE FROM access_invitation WHERE user_id = $1 OR expires_at <= $2",
                &[&user.id, &sql_time(now)],
            )
            .await
            .map_err(StoreError::query("to end invitations"))?;
        transaction
            .execute(
                "INSERT INTO access_invitation (hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)",
                &[&hash.as_slice(), &user.id, &sql_time(now), &sql_time(expires_at)],
            )
            .await
            .map_err(StoreError::query("to write an invitation"))?;
        audit(&transaction, by, ("invite", "User", &user.name), None, None).await?;
        transaction.commit().await.map_err(StoreError::query("to commit an invitation"))?;
        Ok(())
    }

    /// Whose code it is, if it is good; nothing is used up.
    pub async fn invited(&self, hash: &SecretHash, now: Time) -> Result<Option<Invited>, StoreError> {
        let row = self
            .client()
            .await?
            .query_opt(
                &format!(
                    "SELECT {} FROM access_invitation i JOIN access_user u ON u.id = i.user_id
                     WHERE i.hash = $1 AND i.expires_at > $2 AND NOT u.disabled",
                    users::COLUMNS
                ),
                &[&hash.as_slice(), &sql_time(now)],
            )
            .await
            .map_err(StoreError::query("to read an invitation"))?;
        row.map(|row| Ok(Invited { user: users::read(&row)? })).transpose()
    }

    /// Uses the code up and sets the password (argon2id, PHC form). All sessions of the user end. `None`: the code is
    /// not good, or was used.
    pub async fn accept_invitation(
        &self,
        hash: &SecretHash,
        password: &str,
        now: Time,
        by: &ChangedBy,
    ) -> Result<Option<User>, AccessError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin a first password"))?;
        let row = transaction
            .query_opt(
                &format!(
                    "WITH used AS (DELETE FROM access_invitation WHERE hash = $1 AND expires_at > $2 RETURNING user_id)
                     SELECT {} FROM used JOIN access_user u ON u.id = used.user_id WHERE NOT u.disabled",
                    users::COLUMNS
                ),
                &[&hash.as_slice(), &sql_time(now)],
            )
            .await
            .map_err(StoreError::query("to use an invitation"))?;
        let Some(row) = row else { return Ok(None) };
        let user = users::read(&row)?;
        users::set_password(&transaction, &user, password, None, now).await?;
        audit(&transaction, by, ("accept-invitation", "User", &user.name), None, None).await?;
        transaction.commit().await.map_err(StoreError::query("to commit a first password"))?;
        Ok(Some(user))
    }
}
