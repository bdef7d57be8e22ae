//! What happens with one message.

use std::sync::Arc;
use std::time::Duration;

use ow_bus::{Delivered, Handler, Outcome};
use ow_domain::verdict::{Measures, Verdict};
use ow_service::Health;
use ow_store::Store;
use ow_store::measures::Sample;
use tokio::time::Instant;

use crate::influx::Influx;
use crate::line;
use crate::series::Series;

/// How long a message waits here for Postgres before it goes back to its stream: a delivery is dear, as there are
/// only so many of each message.
const IN_PLACE: Duration = Duration::from_secs(20);
const BETWEEN_TRIES: Duration = Duration::from_millis(500);
const PUT_OFF: Duration = Duration::from_secs(20);
const PART: &str = "postgres";

#[derive(Debug)]
pub struct MeasuresHandler {
    /// `None`: no rollups.
    pub store: Option<Store>,
    pub series: Arc<Series>,
    pub influx: Option<Arc<Influx>>,
    pub health: Health,
}

impl Handler<Measures> for MeasuresHandler {
    async fn handle(&self, delivered: Delivered<Measures>) -> Outcome {
        let measures = &delivered.message;
        if delivered.attempt == 1 {
            self.series.measures(measures);
            if let Some(influx) = &self.influx {
                influx.push(line::lines_of(measures));
            }
        }
        match &self.store {
            Some(store) => self.roll_up(store, measures).await,
            None => Outcome::Done,
        }
    }
}

impl MeasuresHandler {
    async fn roll_up(&self, store: &Store, measures: &Measures) -> Outcome {
        let samples = samples_of(measures);
        let start = Instant::now();
        loop {
            match store.add_measures(&measures.channel, &measures.stream, measures.at, &samples).await {
                Ok(()) => {
                    self.health.well(PART);
                    return Outcome::Done;
                }
                Err(error) if error.is_data_fault() => return Outcome::Reject(error.chain()),
                Err(error) => {
                    self.health.ill(PART, error.chain());
                    if start.elapsed() >= IN_PLACE || !error.is_retryable() {
                        tracing::warn!(error = %error.chain(), "measures were not written and come again");
                        return Outcome::Later(PUT_OFF);
                    }
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
            }
        }
    }
}

fn samples_of(measures: &Measures) -> Vec<Sample> {
    let stream = measures.values.iter().map(|(name, value)| (None, name.clone(), *value));
    let responses = measures.responses.iter().map(|(class, n)| (None, format!("responses_{class}"), *n as f64));
    let tracks = measures.tracks.iter().flat_map(|track| {
        track.values.iter().map(|(name, value)| (Some(track.track.to_string()), name.clone(), *value))
    });
    let all = stream.chain(responses).chain(tracks);
    all.map(|(track, name, value)| Sample { track, name, value }).collect()
}

#[derive(Debug)]
pub struct VerdictHandler {
    pub series: Arc<Series>,
}

impl Handler<Verdict> for VerdictHandler {
    async fn handle(&self, delivered: Delivered<Verdict>) -> Outcome {
        self.series.verdict(&delivered.message);
        Outcome::Done
    }
}
