//! Tokens of probes: only hashes are kept.

use ow_domain::config::ChangedBy;
use ow_domain::{Slug, Time};

use crate::audit;
use crate::{Store, StoreError, from_sql_time};

/// That a probe has a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeCredential {
    pub probe: String,
    pub created_at: Time,
    pub created_by: String,
}

impl Store {
    /// Gives a probe a token in place of the one it may have. `false`: there is no such probe.
    pub async fn enrol_probe(&self, probe: &Slug, hash: &[u8; 32], by: &ChangedBy) -> Result<bool, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin an enrolment"))?;
        let n = transaction
            .execute(
                "INSERT INTO probe_credential (probe, token_hash, created_by) SELECT name, $2, $3 FROM probe WHERE name = $1
                 ON CONFLICT (probe) DO UPDATE SET token_hash = $2, created_by = $3, created_at = now()",
                &[&probe.as_str(), &hash.as_slice(), &by.actor],
            )
            .await
            .map_err(StoreError::query("to enrol a probe"))?;
        if n == 0 {
            return Ok(false);
        }
        audit::write(&transaction, by, ("enrol", "Probe", probe.as_str()), None, None, 0).await?;
        transaction.commit().await.map_err(StoreError::query("to commit an enrolment"))?;
        Ok(true)
    }

    /// Takes the token of a probe away. `false`: it had none.
    pub async fn revoke_probe(&self, probe: &Slug, by: &ChangedBy) -> Result<bool, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::query("to begin a revocation"))?;
        let n = transaction
            .execute("DELETE FROM probe_credential WHERE probe = $1", &[&probe.as_str()])
            .await
            .map_err(StoreError::query("to revoke the token of a probe"))?;
        if n > 0 {
            audit::write(&transaction, by, ("revoke", "Probe", probe.as_str()), None, None, 0).await?;
        }
        transaction.commit().await.map_err(StoreError::query("to commit a revocation"))?;
        Ok(n > 0)
    }

    /// The probe whose token has this hash.
    pub async fn probe_of_token(&self, hash: &[u8; 32]) -> Result<Option<String>, StoreError> {
        let client = self.client().await?;
        let row = client
            .query_opt("SELECT probe FROM probe_credential WHERE token_hash = $1", &[&hash.as_slice()])
            .await
            .map_err(StoreError::query("to look a probe up by its token"))?;
        Ok(row.map(|row| row.get(0)))
    }

    /// Tokens of these probes.
    pub async fn probe_credentials(&self, probes: &[String]) -> Result<Vec<ProbeCredential>, StoreError> {
        let client = self.client().await?;
        let rows = client
            .query("SELECT probe, created_at, created_by FROM probe_credential WHERE probe = ANY($1)", &[&probes])
            .await
            .map_err(StoreError::query("to read which probes are enrolled"))?;
        let read = |row: tokio_postgres::Row| ProbeCredential {
            probe: row.get("probe"),
            created_at: from_sql_time(row.get("created_at")),
            created_by: row.get("created_by"),
        };
        Ok(rows.into_iter().map(read).collect())
    }
}
