//! Deliveries of webhooks. How long to wait after a failure is decided where the delivery is; a job
//! only comes back then.

use crate::{
    domain::ids::WebhookDeliveryId,
    jobs::runner::JobError,
    platform::env::Env,
    services::webhooks::{self, Delivered, Doors},
};

/// Tries to make a delivery.
pub(super) async fn deliver(env: &Env, doors: &Doors, delivery: WebhookDeliveryId) -> Result<(), JobError> {
    match webhooks::deliver(env, doors, delivery).await? {
        Delivered::Settled => Ok(()),
        Delivered::Later { at, problem } => Err(JobError::Later { at, problem }),
    }
}
