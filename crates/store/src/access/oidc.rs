//! Sign-ins under way at an identity provider: each `state` is good for one answer, in the browser that began.

use ow_domain::Time;

use super::SecretHash;
use crate::{Store, StoreError, sql_time};

impl Store {
    /// Notes that a browser was sent to the provider.
    pub async fn begin_oidc(
        &self,
        state: &SecretHash,
        browser: &SecretHash,
        return_to: &str,
        expires_at: Time,
    ) -> Result<(), StoreError> {
        self.client()
            .await?
            .execute(
                "INSERT INTO access_oidc_login (state_hash, browser_hash, return_to, expires_at) VALUES ($1, $2, $3, $4)",
                &[&state.as_slice(), &browser.as_slice(), &return_to, &sql_time(expires_at)],
            )
            .await
            .map_err(StoreError::query("to note a sign-in under way"))?;
        Ok(())
    }

    /// Uses `state` up, whatever else is wrong. Where the browser wants to go, if it is the one that began and in time.
    pub async fn finish_oidc(
        &self,
        state: &SecretHash,
        browser: &SecretHash,
        now: Time,
    ) -> Result<Option<String>, StoreError> {
        let row = self
            .client()
            .await?
            .query_opt(
                "DELETE FROM access_oidc_login WHERE state_hash = $1 RETURNING browser_hash = $2 AND expires_at > $3 AS good, return_to",
                &[&state.as_slice(), &browser.as_slice(), &sql_time(now)],
            )
            .await
            .map_err(StoreError::query("to use a sign-in under way"))?;
        Ok(row.filter(|row| row.get("good")).map(|row| row.get("return_to")))
    }
}
