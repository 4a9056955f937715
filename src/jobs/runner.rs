//! Claims jobs and does them, with lease, fencing token, retry and back-off.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    domain::schedule::{CLOCK_TOLERANCE, Counts, Routine},
    jobs::{bonus, figures, notifications as told, payments, purge, schedule, send_mail::Mailer, webhooks},
    mail::{AT_ONCE, SmtpUrlError},
    platform::env::Env,
    services::{
        collisions::{Collides, until_through},
        notifications,
        schedules::{self, ClaimedRun},
        webhooks::Doors,
    },
    store::{
        StoreError,
        jobs::{self, ClaimedJob, Lane, Work},
    },
};

/// How long a claimed job belongs to who claimed it. Longer than any job may take.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// How long one job may take; the lease outlasts it, so nobody works on it twice at once.
const JOB_TIMEOUT: Duration = Duration::from_secs(45);
/// How many places for letters are kept for those that somebody waits for.
const CODES_AT_ONCE: usize = 4;
/// How many deliveries are under way at once: many more than may wait for one receiver.
const DELIVERIES_AT_ONCE: usize = 64;
/// After how many tries a job is given up.
const MOST_ATTEMPTS: i64 = 25;
/// How often the queue is looked at when nobody calls: retries fall due without a call.
const POLL: Duration = Duration::from_secs(1);
/// The longest that a job is put off by a clock that is right, see [`back_off`].
const LONGEST_WAIT: TimeDelta = TimeDelta::days(5);
/// How often it is looked for what a clock that was ahead has put off.
const REPLAN_EVERY: TimeDelta = TimeDelta::seconds(15);
/// How often it is measured how the jobs stand.
const MEASURE_EVERY: TimeDelta = TimeDelta::seconds(15);

/// Why a job was not done.
#[derive(Debug)]
pub(super) enum JobError {
    /// It may work later.
    Retry(String),
    /// Others stood in its way: the same again may work at once.
    Collision(String),
    /// It is to be tried at a time that the job knows itself, however often.
    Later {
        /// When.
        at: DateTime<Utc>,
        /// Why it was not done now.
        problem: String,
    },
    /// It never will.
    GiveUp(String),
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        if error.is_collision() { Self::Collision(error.to_string()) } else { Self::Retry(error.to_string()) }
    }
}

impl Collides for JobError {
    fn is_collision(&self) -> bool {
        matches!(self, Self::Collision(_))
    }
}

/// Why the runner cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The mail server's address is not one.
    #[error("mail.smtp_url (VOUCHSAFE_SMTP_URL): {0}")]
    SmtpUrl(#[from] SmtpUrlError),
}

/// Returns how many jobs of a lane are under way at once.
fn places(lane: Lane) -> usize {
    match lane {
        Lane::Codes => CODES_AT_ONCE,
        // As many letters as connections to the mail server are kept.
        Lane::Letters => AT_ONCE - CODES_AT_ONCE,
        Lane::Work | Lane::Providers => 4,
        Lane::Webhooks => DELIVERIES_AT_ONCE,
        Lane::Chat => 2,
    }
}

/// Jobs that are under way: in each lane so many and no more. Who is done makes room for the next, and
/// nobody waits for the slowest.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<Lane>,
    busy: [usize; Lane::ALL.len()],
    /// Whether there may be more in a lane than had room.
    may_be_more: [bool; Lane::ALL.len()],
    replanned_at: Option<DateTime<Utc>>,
}

impl UnderWay {
    fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Says that there may be jobs in every lane.
    fn look_everywhere(&mut self) {
        self.may_be_more = [true; Lane::ALL.len()];
    }

    fn free(&self, lane: Lane) -> usize {
        places(lane).saturating_sub(self.busy[lane as usize])
    }

    fn begin(&mut self, lane: Lane, job: impl Future<Output = ()> + Send + 'static) {
        self.busy[lane as usize] += 1;
        self.tasks.spawn(async move {
            if contained(job).await.is_none() {
                // Its lease runs out and it is tried again.
                tracing::error!("the end of a job panicked");
            }
            lane
        });
    }

    /// Waits until a job is done, and takes those that are done with it. Without any it returns at once.
    async fn one_is_done(&mut self) {
        let mut ended = self.tasks.join_next().await;
        while let Some(result) = ended {
            if let Ok(lane) = result {
                self.busy[lane as usize] = self.busy[lane as usize].saturating_sub(1);
            }
            ended = self.tasks.try_join_next();
        }
    }
}

/// Does jobs, as they fall due.
pub struct Runner {
    env: Env,
    mailer: Mailer,
    doors: Arc<Doors>,
}

impl Runner {
    /// Makes a runner. Does nothing yet, not even connect.
    pub fn new(env: Env) -> Result<Self, StartError> {
        let mailer = Mailer::new(&env)?;
        Ok(Self { env, mailer, doors: Arc::default() })
    }

    /// Works until `shutdown` is done; jobs that are under way are finished, and what is done by the clock
    /// is left to be begun again.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let (stop, stopped) = watch::channel(false);
        let until_told = async {
            shutdown.await;
            stop.send_replace(true);
        };
        tokio::join!(until_told, self.work_on_queue(told(stopped.clone())), self.keep_to_the_clock(told(stopped)));
    }

    async fn work_on_queue(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut under_way = UnderWay::default();
        under_way.look_everywhere();
        loop {
            if let Err(error) = self.begin_what_is_due(&mut under_way).await {
                tracing::error!(error = %error, "the queue of jobs cannot be read");
            }
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = under_way.one_is_done(), if !under_way.is_idle() => {}
                // Somebody calls, or something may have fallen due.
                () = self.env.work.notified() => under_way.look_everywhere(),
                () = tokio::time::sleep(POLL) => under_way.look_everywhere(),
            }
        }
        while !under_way.is_idle() {
            under_way.one_is_done().await;
        }
    }

    async fn keep_to_the_clock(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut measured_at: Option<DateTime<Utc>> = None;
        loop {
            let due = schedules::due(&self.env).await.unwrap_or_else(|error| {
                tracing::error!(error = %error, "what is due cannot be read");
                Vec::new()
            });
            for routine in due {
                match self.claim(routine).await {
                    Ok(Some(run)) => {
                        tokio::select! {
                            biased;
                            () = &mut shutdown => {
                                if let Err(error) = schedules::give_back(&self.env, &run).await {
                                    tracing::warn!(schedule = %routine, %error, "a run cannot be given back");
                                }
                                return;
                            }
                            result = self.finish(&run) => log_failure(routine, result),
                        }
                    }
                    Ok(None) => {}
                    Err(error) => log_failure(routine, Err(error)),
                }
            }
            let now = self.env.clock.now();
            if measured_at.is_none_or(|at| (now - at).abs() >= MEASURE_EVERY) {
                measured_at = Some(now);
                if let Err(error) = figures::measure(&self.env).await {
                    tracing::warn!(error = %error, "how the jobs stand cannot be measured");
                }
            }
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Does every job that is due, and returns how many there were.
    pub async fn run_until_idle(&self) -> Result<usize, StoreError> {
        let mut done = 0;
        let mut under_way = UnderWay::default();
        loop {
            under_way.look_everywhere();
            done += self.begin_what_is_due(&mut under_way).await?;
            if under_way.is_idle() {
                return Ok(done);
            }
            under_way.one_is_done().await;
        }
    }

    /// Measures how everything stands, for `/metrics`.
    pub async fn measure(&self) -> Result<(), StoreError> {
        figures::measure(&self.env).await
    }

    /// Does everything that is due by the clock and in nobody's hands, and what comes every minute in any
    /// case. Returns how many runs went well; one that failed is tried again when its time comes.
    pub async fn do_what_is_due(&self) -> Result<usize, StoreError> {
        for routine in Routine::ALL {
            if routine.when().period() <= TimeDelta::minutes(1) {
                schedules::make_due(&self.env, routine).await?;
            }
        }
        let mut done = 0;
        for routine in schedules::due(&self.env).await? {
            if let Some(run) = self.claim(routine).await? {
                done += usize::from(self.finish(&run).await?.is_ok());
            }
        }
        Ok(done)
    }

    /// Does something now that comes by the clock. Returns what it did or why it failed; nothing if
    /// it is in somebody else's hands.
    pub async fn do_now(&self, routine: Routine) -> Result<Option<Result<Counts, String>>, StoreError> {
        schedules::make_due(&self.env, routine).await?;
        match self.claim(routine).await? {
            Some(run) => Ok(Some(self.finish(&run).await?)),
            None => Ok(None),
        }
    }

    /// Claims a run that is due; nothing if somebody else was quicker. Who claims one and is gone before
    /// [`Self::finish`] is done loses it when the lease is over.
    pub async fn claim(&self, routine: Routine) -> Result<Option<ClaimedRun>, StoreError> {
        schedules::claim(&self.env, routine).await
    }

    /// Does a run, and notes what came of it.
    pub async fn finish(&self, run: &ClaimedRun) -> Result<Result<Counts, String>, StoreError> {
        let result = self.perform(run).await;
        if let Err(problem) = &result {
            tracing::warn!(schedule = %run.routine, problem, "a scheduled job failed and is tried again");
        }
        let outcome = if result.is_ok() { "done" } else { "failed" };
        metrics::counter!("scheduled_runs_total", "name" => run.routine.name(), "outcome" => outcome).increment(1);
        if !schedules::settle(&self.env, run, result.as_ref().map_err(String::as_str)).await? {
            tracing::warn!(schedule = %run.routine, "somebody else has claimed the run since");
        }
        Ok(result)
    }

    /// Does a run within the time that it may take. What came of it is not noted.
    pub async fn perform(&self, run: &ClaimedRun) -> Result<Counts, String> {
        // Whatever a run does may be done twice, so the whole of it is what begins again.
        let task = until_through(|| schedule::perform(&self.env, run));
        let task = tokio::time::timeout(run.routine.time_limit(), task);
        match contained(task).await {
            Some(Ok(Ok(counts))) => Ok(counts),
            Some(Ok(Err(
                JobError::Retry(problem)
                | JobError::Collision(problem)
                | JobError::GiveUp(problem)
                | JobError::Later { problem, .. },
            ))) => Err(problem),
            Some(Err(_)) => Err("it took too long; what is left is done by the next run".to_owned()),
            None => Err(PANICKED.to_owned()),
        }
    }

    /// Claims a job of a lane that is due; nothing if there is none. Who claims one and is gone before
    /// [`Self::do_job`] is done loses it when the lease is over.
    pub async fn claim_job(&self, lane: Lane) -> Result<Option<ClaimedJob>, StoreError> {
        let now = self.env.clock.now();
        let mut tx = self.env.db.begin().await?;
        let claimed = jobs::claim(&mut tx.conn(), lane, 1, now, now + LEASE).await?.pop();
        tx.commit().await?;
        Ok(claimed)
    }

    /// Does a job in this task, and notes what came of it.
    pub async fn do_job(&self, job: ClaimedJob) {
        do_job(&self.env, &self.mailer, &self.doors, job).await;
    }

    /// Forgets what is over, whether or not it is time.
    pub async fn purge(&self) -> Result<Counts, StoreError> {
        purge::run(&self.env).await
    }

    /// Claims what is due and has room, and begins it. Returns how many jobs that were.
    async fn begin_what_is_due(&self, under_way: &mut UnderWay) -> Result<usize, StoreError> {
        let now = self.env.clock.now();
        let lanes: Vec<(Lane, usize)> = Lane::ALL
            .into_iter()
            .filter(|lane| under_way.may_be_more[*lane as usize])
            .map(|lane| (lane, under_way.free(lane)))
            .filter(|(_, free)| *free > 0)
            .collect();
        if lanes.is_empty() {
            return Ok(0);
        }
        let mut tx = self.env.db.begin().await?;
        let conn = &mut tx.conn();
        // A clock that was set back is seen at once, what another node's clock did within a quarter of a minute.
        if under_way.replanned_at.is_none_or(|at| now < at || now - at >= REPLAN_EVERY) {
            jobs::replan(conn, now + LONGEST_WAIT + CLOCK_TOLERANCE, now).await?;
            under_way.replanned_at = Some(now);
        }
        let mut claimed = Vec::with_capacity(lanes.len());
        for (lane, free) in lanes {
            let free = i64::try_from(free).unwrap_or(0);
            claimed.push((lane, free, jobs::claim(conn, lane, free, now, now + LEASE).await?));
        }
        tx.commit().await?;
        let mut count = 0;
        for (lane, free, jobs) in claimed {
            count += jobs.len();
            under_way.may_be_more[lane as usize] = i64::try_from(jobs.len()).unwrap_or(free) >= free;
            for job in jobs {
                let (env, mailer, doors) = (self.env.clone(), self.mailer.clone(), self.doors.clone());
                under_way.begin(lane, async move { do_job(&env, &mailer, &doors, job).await });
            }
        }
        Ok(count)
    }
}

/// Why something failed that panicked. The log has the rest.
const PANICKED: &str = "it panicked";

/// Runs a task; one that panics takes nobody with it, and brings nothing.
async fn contained<F: Future>(task: F) -> Option<F::Output> {
    let mut task = pin!(task);
    poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

async fn told(mut stopped: watch::Receiver<bool>) {
    // An error means that the runner is gone, which is a stop too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

fn log_failure(routine: Routine, result: Result<Result<Counts, String>, StoreError>) {
    if let Err(error) = result {
        tracing::error!(schedule = %routine, %error, "a run cannot be claimed or its end be noted");
    }
}

async fn do_job(env: &Env, mailer: &Mailer, doors: &Doors, job: ClaimedJob) {
    let (kind, outcome) = match &job.work {
        // Who tries one for the last time puts it away. This one took all of them with it.
        Ok(work) if job.attempt > MOST_ATTEMPTS => {
            (work.kind().as_str(), Err(JobError::GiveUp("none of its tries came to an end".to_owned())))
        }
        Ok(work) => {
            let task = async {
                match work {
                    Work::SendMail { mail } => mailer.send(env, *mail).await,
                    Work::ApplyPaymentEvent { event } => payments::apply(env, *event, job.attempt).await,
                    Work::ReconcileSubscriptions { provider, after } => {
                        payments::reconcile(env, job.id, *provider, after.as_deref()).await
                    }
                    Work::AwardBonus { user } => bonus::award(env, *user).await,
                    Work::SweepBonus { rule, after } => bonus::sweep(env, job.id, *rule, *after).await,
                    Work::TellChat { notification } => told::tell_chat(env, *notification).await,
                    Work::RefreshSubscription { provider, subscription } => {
                        payments::refresh(env, *provider, subscription).await
                    }
                    Work::DeliverWebhook { delivery } => webhooks::deliver(env, doors, *delivery).await,
                }
            };
            let outcome = match contained(tokio::time::timeout(JOB_TIMEOUT, task)).await {
                Some(Ok(outcome)) => outcome,
                Some(Err(_)) => Err(JobError::Retry("it took too long".to_owned())),
                None => Err(JobError::Retry(PANICKED.to_owned())),
            };
            (work.kind().as_str(), outcome)
        }
        Err(problem) => ("unknown", Err(JobError::Retry(format!("this program cannot read it: {problem}")))),
    };
    let outcome_word = match &outcome {
        Ok(()) => "done",
        Err(JobError::Retry(_) | JobError::Collision(_) | JobError::Later { .. }) => "failed",
        Err(JobError::GiveUp(_)) => "given_up",
    };
    metrics::counter!("jobs_total", "kind" => kind, "outcome" => outcome_word).increment(1);
    match settle(env, &job, outcome).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!(job.id = %job.id, "somebody else has claimed the job since"),
        Err(error) => tracing::error!(job.id = %job.id, error = %error, "the job's end cannot be noted"),
    }
}

async fn settle(env: &Env, job: &ClaimedJob, outcome: Result<(), JobError>) -> Result<bool, StoreError> {
    let now = env.clock.now();
    let mut tx = env.db.begin().await?;
    let conn = &mut tx.conn();
    let is_ours = match outcome {
        Ok(()) => jobs::finish(conn, job.id, job.fencing_token, now).await?,
        Err(JobError::Later { at, problem }) => jobs::postpone(conn, job.id, job.fencing_token, &problem, at).await?,
        Err(JobError::Retry(problem) | JobError::Collision(problem)) if job.attempt < MOST_ATTEMPTS => {
            tracing::warn!(job.id = %job.id, job.attempt, problem, "a job failed and is tried again");
            let run_at = now + back_off(job.attempt, env.random.below(201));
            jobs::retry(conn, job.id, job.fencing_token, &problem, run_at).await?
        }
        Err(JobError::Retry(problem) | JobError::Collision(problem) | JobError::GiveUp(problem)) => {
            tracing::error!(job.id = %job.id, job.attempt, problem, "a job is given up");
            let is_ours = jobs::give_up(conn, job.id, job.fencing_token, &problem, now).await?;
            if is_ours {
                notifications::job_given_up(env, conn, job.id, job.work.as_ref().ok()).await?;
            }
            is_ours
        }
    };
    tx.commit().await?;
    Ok(is_ours)
}

/// Returns how long to wait after the attempt-th failure: attempt⁴ seconds, ±20 % by `chance`
/// from 0 to 200, so that what failed together does not come back together.
fn back_off(attempt: i64, chance: u8) -> TimeDelta {
    let base = attempt.clamp(1, MOST_ATTEMPTS).pow(4) * 1000;
    TimeDelta::milliseconds(base * (800 + 2 * i64::from(chance)) / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_grows_and_is_spread() {
        assert_eq!(back_off(1, 100), TimeDelta::seconds(1));
        assert_eq!(back_off(3, 100), TimeDelta::seconds(81));
        assert_eq!(back_off(2, 0), TimeDelta::milliseconds(12_800));
        assert_eq!(back_off(2, 200), TimeDelta::milliseconds(19_200));
        assert!(back_off(MOST_ATTEMPTS - 1, 200) < LONGEST_WAIT, "the last failure is not waited for");
    }

    #[tokio::test]
    async fn a_task_that_panics_takes_nobody_with_it() {
        let panics = async {
            tokio::task::yield_now().await;
            assert_eq!(1, 2, "a mistake of ours");
        };
        assert_eq!(contained(panics).await, None);
        assert_eq!(contained(async { 7 }).await, Some(7));
    }

    #[tokio::test]
    async fn who_is_done_makes_room_for_the_next() {
        let mut under_way = UnderWay::default();
        let (stop, stopped) = watch::channel(false);
        for _ in 0..places(Lane::Chat) {
            let stopped = stopped.clone();
            under_way.begin(Lane::Chat, told(stopped));
        }
        assert_eq!((under_way.free(Lane::Chat), under_way.free(Lane::Codes)), (0, CODES_AT_ONCE));
        under_way.begin(Lane::Codes, async { panic!("a mistake of ours") });
        under_way.one_is_done().await;
        assert_eq!((under_way.free(Lane::Chat), under_way.free(Lane::Codes)), (0, CODES_AT_ONCE));
        stop.send_replace(true);
        while !under_way.is_idle() {
            under_way.one_is_done().await;
        }
        assert_eq!(under_way.free(Lane::Chat), places(Lane::Chat));
    }
}
