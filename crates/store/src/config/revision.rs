//! Whether anything changed, without reading all of it.

use crate::{Store, StoreError};

impl Store {
    /// Revision of the configuration as a whole: the one that `load_config` would give.
    pub async fn config_revision(&self) -> Result<u64, StoreError> {
        let row = self
            .client()
            .await?
            .query_one("SELECT max(revision) FROM config_revision", &[])
            .await
            .map_err(StoreError::query("to read the configuration revision"))?;
        Ok(row.get::<_, i64>(0).unsigned_abs())
    }
}
