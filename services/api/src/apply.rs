//! Applying documents: check, plan, one transaction.

use ow_config::{Document, Owner, Plan, Problem, SourceFile};
use ow_domain::config::ChangedBy;
use ow_store::{Store, StoreError};

use crate::sealing::seal_documents;

/// Somebody else changed the configuration while we planned; then the plan is made anew, so often at most.
const ATTEMPTS: usize = 5;

/// What was done, or would be.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    pub plan: Plan,
    /// Revision of the configuration afterwards; that of now for a dry run.
    pub revision: u64,
}

/// Nothing was changed, and why.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("{} problems in the documents", .0.len())]
    Invalid(Vec<Problem>),
    #[error("the documents describe nothing")]
    Empty,
    #[error("a secret cannot be sealed")]
    Seal(#[from] ow_service::sealing::SealError),
    #[error("the configuration could not be read or written")]
    Store(#[from] StoreError),
}

/// Applies documents as one change: all of it or nothing. `owner`: on whose behalf, which decides what may be deleted.
/// `by`: who, for the audit trail; `None`: a dry run, which only plans.
pub async fn apply_documents(
    store: &Store,
    files: &[SourceFile],
    owner: Option<&Owner>,
    by: Option<&ChangedBy>,
) -> Result<Applied, ApplyError> {
    apply_read(store, &ow_config::read(files).map_err(ApplyError::Invalid)?, owner, by).await
}

/// The same with documents that are read already.
pub(crate) async fn apply_read(
    store: &Store,
    documents: &[Document],
    owner: Option<&Owner>,
    by: Option<&ChangedBy>,
) -> Result<Applied, ApplyError> {
    if documents.is_empty() {
        return Err(ApplyError::Empty);
    }
    let mut attempt = 1;
    loop {
        let snapshot = store.load_config().await?;
        let documents = seal_documents(documents, &snapshot.objects)?;
        let plan = ow_config::plan(&snapshot.objects, &documents, owner).map_err(ApplyError::Invalid)?;
        let Some(by) = by.filter(|_| !plan.is_empty()) else {
            return Ok(Applied { plan, revision: snapshot.revision });
        };
        match store.apply_config(&plan.changes(), by).await {
            Ok(revision) => return Ok(Applied { plan, revision }),
            Err(StoreError::Conflict { .. }) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}
