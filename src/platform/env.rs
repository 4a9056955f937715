//! What a journey takes along.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::{
    config::{Config, ProviderConfig, Secret},
    domain::{
        coupon::{Redemption, Refusal},
        grant::ListedGrant,
        ids::UserId,
        payment::{Envelope, Provider},
        usage::{Outcome, UsageCall},
    },
    platform::{
        clock::Clock,
        keys::Keys,
        memory::{Known, Memory},
        random::Random,
    },
    store::{StoreError, db::Db},
};

/// The world of a service: the database, the time, chance, keys and the configuration. Cheap to
/// clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Env {
    /// The open database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Chance.
    pub random: Random,
    /// What signs and encrypts.
    pub keys: Keys,
    /// What the operator decided.
    pub config: Arc<Config>,
    /// Wakes the job runner, after the commit of a transaction that left it work.
    pub work: Arc<Notify>,
    /// What this node remembers of the database.
    pub memory: Arc<Memory>,
    /// Calls that wait to be counted together.
    pub usage: Arc<UsageQueue>,
    /// Deliveries of providers that wait to be taken in together.
    pub payments: Arc<PaymentQueue>,
    /// Coupons that wait to be redeemed together.
    pub redemptions: Arc<RedemptionQueue>,
    /// Members whose standing is to be read together.
    pub standings: Arc<StandingQueue>,
    stopping: watch::Sender<bool>,
}

impl Env {
    /// Makes a world.
    pub fn new(db: Db, clock: Clock, random: Random, keys: Keys, config: Config) -> Self {
        Self {
            db,
            clock,
            random,
            keys,
            config: Arc::new(config),
            work: Arc::new(Notify::new()),
            memory: Arc::default(),
            usage: Arc::default(),
            payments: Arc::default(),
            redemptions: Arc::default(),
            standings: Arc::default(),
            stopping: watch::Sender::new(false),
        }
    }

    /// Tells what never ends by itself that the process is about to.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Waits until the process is about to end.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopping = self.stopping.subscribe();
        async move {
            // An error means that the world is gone, which is an end too.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
    }

    /// Returns whether a provider can be asked: whether there is a key to its API.
    pub fn can_ask(&self, provider: Provider) -> bool {
        self.provider(provider).api_key.is_some()
    }

    /// Returns what a provider signs its events with: the secret in use, then those before it.
    pub fn webhook_secrets(&self, provider: Provider) -> Vec<&str> {
        self.provider(provider).webhook_secrets.iter().map(Secret::expose).collect()
    }

    fn provider(&self, provider: Provider) -> &ProviderConfig {
        let payments = &self.config.payments;
        match provider {
            Provider::Stripe => &payments.stripe,
            Provider::Paddle => &payments.paddle,
            Provider::Polar => &payments.polar,
        }
    }

    /// Tells the job runner that there is work, after the commit that queued it.
    pub fn wake_workers(&self) {
        self.work.notify_one();
    }

    /// Tells this node that a member's access has changed, after the commit that changed it.
    pub fn access_changed(&self, user: UserId) {
        self.memory.access_changed(user);
    }

    /// Tells this node that the configuration has changed, after the commit that changed it.
    pub fn configuration_changed(&self) {
        self.memory.configuration_changed();
    }
}

/// Deliveries in the queue, more than which wait outside of it.
const LONGEST_PAYMENT_QUEUE: usize = 1_024;

/// A delivery that waits to be taken in, and who waits for that.
#[derive(Debug)]
pub struct WaitingDelivery {
    /// From whom.
    pub provider: Provider,
    /// The delivery, read.
    pub envelope: Envelope,
    /// The text that was signed.
    pub payload: String,
    /// Who waits.
    pub answer: oneshot::Sender<Result<(), Arc<StoreError>>>,
}

/// Deliveries that wait to be taken in together. Whoever sends the first one starts the workers.
#[derive(Debug)]
pub struct PaymentQueue {
    /// Where deliveries go in.
    pub deliveries: mpsc::Sender<WaitingDelivery>,
    /// Where the workers take them out, until there are workers.
    pub unattended: Mutex<Option<mpsc::Receiver<WaitingDelivery>>>,
}

impl Default for PaymentQueue {
    fn default() -> Self {
        let (deliveries, receiver) = mpsc::channel(LONGEST_PAYMENT_QUEUE);
        Self { deliveries, unattended: Mutex::new(Some(receiver)) }
    }
}

/// Coupons in the queue, more than which wait outside of it.
const LONGEST_REDEMPTION_QUEUE: usize = 1_024;

/// What came of redeeming a coupon.
pub type RedemptionOutcome = Result<Result<ListedGrant, Refusal>, Arc<StoreError>>;

/// A coupon that waits to be redeemed, and who waits for that.
#[derive(Debug)]
pub struct WaitingRedemption {
    /// What is wanted.
    pub redemption: Redemption,
    /// Who waits.
    pub answer: oneshot::Sender<RedemptionOutcome>,
}

/// Coupons that wait to be redeemed together. Whoever sends the first one starts the workers.
#[derive(Debug)]
pub struct RedemptionQueue {
    /// Where they go in.
    pub redemptions: mpsc::Sender<WaitingRedemption>,
    /// Where the workers take them out, until there are workers.
    pub unattended: Mutex<Option<mpsc::Receiver<WaitingRedemption>>>,
}

impl Default for RedemptionQueue {
    fn default() -> Self {
        let (redemptions, receiver) = mpsc::channel(LONGEST_REDEMPTION_QUEUE);
        Self { redemptions, unattended: Mutex::new(Some(receiver)) }
    }
}

/// Calls in the queue, more than which wait outside of it.
const LONGEST_QUEUE: usize = 4_096;

/// A call that waits to be counted, and who waits for its answer.
#[derive(Debug)]
pub struct WaitingCall {
    /// The call.
    pub call: UsageCall,
    /// Who waits.
    pub answer: oneshot::Sender<Result<Outcome, Arc<StoreError>>>,
}

/// Calls that wait to be counted together. Whoever sends the first one starts the worker.
#[derive(Debug)]
pub struct UsageQueue {
    /// Where calls go in.
    pub calls: mpsc::Sender<WaitingCall>,
    /// Where the worker takes them out, until there is a worker.
    pub unattended: Mutex<Option<mpsc::Receiver<WaitingCall>>>,
    /// Idempotency keys that are being answered.
    pub in_flight: Mutex<HashSet<[u8; 32]>>,
}

impl Default for UsageQueue {
    fn default() -> Self {
        let (calls, receiver) = mpsc::channel(LONGEST_QUEUE);
        Self { calls, unattended: Mutex::new(Some(receiver)), in_flight: Mutex::default() }
    }
}

/// Members in the queue, more than which wait outside of it.
const LONGEST_STANDING_QUEUE: usize = 4_096;

/// A member whose standing is to be read.
#[derive(Debug)]
pub struct WaitingMember {
    /// Who, by what is known of them.
    pub member: MemberName,
    /// Who waits for it; nobody when it is looked up before its time.
    pub answer: Option<oneshot::Sender<Option<Arc<Known>>>>,
}

/// How a member is known whose standing is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberName {
    /// By their id.
    Id(UserId),
    /// By an id, external id or address that somebody outside names.
    Text(String),
    /// The same, where only whom it means is to be read again.
    OnlyText(String),
}

/// Members whose standing is to be read together. Whoever sends the first one starts the worker.
#[derive(Debug)]
pub struct StandingQueue {
    /// Where members go in.
    pub members: mpsc::Sender<WaitingMember>,
    /// Where the worker takes them out, until there is a worker.
    pub unattended: Mutex<Option<mpsc::Receiver<WaitingMember>>>,
}

impl Default for StandingQueue {
    fn default() -> Self {
        let (members, receiver) = mpsc::channel(LONGEST_STANDING_QUEUE);
        Self { members, unattended: Mutex::new(Some(receiver)) }
    }
}
