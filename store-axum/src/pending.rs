//! What a request has changed and not yet written.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use store_tickets::{AuthenticationTicket, BagError, SessionBag as Bag};

use crate::SessionData;

/// What a request has changed and not yet written.
pub(crate) struct Pending<T> {
    data: Option<PendingData<T>>,
    bag: PendingBag,
    /// Which of the request's sessions this belongs to: a login makes another one.
    session: u64,
    /// One more whenever the data changes hands.
    turn: u64,
    /// Two parts of this request have changed the data, neither knowing of the other.
    clashed: bool,
}

/// The data as somebody read it, and when that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    session: u64,
    turn: u64,
}

struct PendingData<T> {
    /// As it was read.
    base: T,
    /// As it is to be.
    data: T,
}

/// What this request has changed cannot be put on top of what others have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clash;

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self {
            data: None,
            bag: PendingBag::default(),
            session: 0,
            turn: 0,
            clashed: false,
        }
    }
}

impl<T: SessionData> Pending<T> {
    /// The data as this request sees it: `stored` if it has not changed it.
    pub(crate) fn data(&self, stored: &T) -> (T, Turn) {
        let data = self.data.as_ref().map_or(stored, |pending| &pending.data);
        (data.clone(), self.turn())
    }

    pub(crate) fn turn(&self) -> Turn {
        Turn {
            session: self.session,
            turn: self.turn,
        }
    }

    /// Takes changed data over from whoever read it at `turn`. What is written as it was read is no
    /// change.
    pub(crate) fn put_data(&mut self, turn: Turn, base: &T, data: T) {
        if turn.session != self.session {
            tracing::debug!("a change to a session that this request has ended goes with it");
            return;
        }
        if same(base, &data) {
            return;
        }
        if turn.turn != self.turn {
            self.clashed = true;
            return;
        }
        self.turn += 1;
        let base = match self.data.take() {
            Some(before) => before.base,
            None => base.clone(),
        };
        self.data = Some(PendingData { base, data });
    }

    pub(crate) fn bag(&mut self) -> &mut PendingBag {
        &mut self.bag
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.data.is_none() && self.bag.changes.is_empty() && !self.clashed
    }

    /// Takes everything out, to be written.
    pub(crate) fn take(&mut self) -> Changes<T> {
        Changes {
            data: self.data.take(),
            bag: std::mem::take(&mut self.bag.changes),
            bag_base: self.bag.base.clone(),
            clashed: std::mem::take(&mut self.clashed),
        }
    }

    /// The session's bag has become this one, by another way than these changes.
    pub(crate) fn rebase(&mut self, bag: &Bag) {
        self.bag.rebase(bag);
    }

    /// What was taken has been written, and the session's bag is this one now.
    pub(crate) fn settle(&mut self, bag: &Bag) {
        self.bag.base = bag.clone();
        self.rebase(bag);
    }

    /// There is another session now, or none.
    pub(crate) fn start_over(&mut self, bag: Bag) {
        *self = Self {
            bag: PendingBag::at(bag),
            session: self.session + 1,
            ..Self::default()
        };
    }
}

/// What is to be written.
pub(crate) struct Changes<T> {
    data: Option<PendingData<T>>,
    bag: Vec<BagChange>,
    bag_base: Bag,
    clashed: bool,
}

impl<T: SessionData> Changes<T> {
    /// Puts the changes on top of a ticket, all or none.
    pub(crate) fn apply(&mut self, ticket: &mut AuthenticationTicket<T>) -> Result<(), Clash> {
        if self.clashed {
            return Err(Clash);
        }
        if let Some(pending) = &self.data
            && !same(&pending.base, &ticket.data)
        {
            return Err(Clash);
        }
        let checked = |change: &BagChange| match change {
            BagChange::Put { name, read, .. } => !read || ticket.bag.agrees(name, &self.bag_base),
            BagChange::Update { .. } => true,
        };
        if !self.bag.iter().all(checked) {
            return Err(Clash);
        }
        let mut bag = ticket.bag.clone();
        for change in &mut self.bag {
            change.apply(&mut bag).map_err(|_| Clash)?;
        }
        ticket.bag = bag;
        if let Some(pending) = &self.data {
            ticket.data = pending.data.clone();
        }
        Ok(())
    }
}

/// Whether two are written the same way, which is all that a session knows of its data.
fn same<T: Serialize>(one: &T, other: &T) -> bool {
    const NAME: &str = "data";
    let in_bag = |data: &T| {
        let mut bag = Bag::default();
        bag.set(NAME, data).map(|()| bag)
    };
    match (in_bag(one), in_bag(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// The bag as this request sees it, and what it has done to it.
#[derive(Default)]
pub(crate) struct PendingBag {
    /// As it was read.
    base: Bag,
    /// With the changes.
    working: Bag,
    read: BTreeSet<String>,
    changes: Vec<BagChange>,
}

/// Makes a new value of the one that is there.
pub(crate) type Update = Box<dyn FnMut(&mut Bag) -> Result<(), BagError> + Send>;

enum BagChange {
    Put {
        name: String,
        /// The value, under its name; empty to take it out.
        value: Bag,
        /// Whether the request has looked at the value before.
        read: bool,
    },
    Update {
        name: String,
        update: Update,
    },
}

impl BagChange {
    fn apply(&mut self, bag: &mut Bag) -> Result<(), BagError> {
        match self {
            Self::Put { name, value, .. } => bag.copy(name, value),
            Self::Update { update, .. } => update(bag)?,
        }
        Ok(())
    }

    fn name(&self) -> &str {
        match self {
            Self::Put { name, .. } | Self::Update { name, .. } => name,
        }
    }
}

impl PendingBag {
    fn at(bag: Bag) -> Self {
        Self {
            working: bag.clone(),
            base: bag,
            ..Self::default()
        }
    }

    /// The bag was read.
    pub(crate) fn begin(&mut self, bag: &Bag) {
        if self.changes.is_empty() && self.read.is_empty() {
            *self = Self::at(bag.clone());
        }
    }

    pub(crate) fn get<V: DeserializeOwned>(&mut self, name: &str) -> Result<Option<V>, BagError> {
        self.read.insert(name.to_owned());
        self.working.get(name)
    }

    pub(crate) fn set<V: Serialize + ?Sized>(
        &mut self,
        name: String,
        value: &V,
    ) -> Result<(), BagError> {
        let mut one = Bag::default();
        one.set(name.clone(), value)?;
        self.put(name, one);
        Ok(())
    }

    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let is_there = self.working.keys().any(|one| one == name);
        if is_there {
            self.put(name.to_owned(), Bag::default());
        }
        is_there
    }

    fn put(&mut self, name: String, value: Bag) {
        self.working.copy(&name, &value);
        let read = self.read.contains(&name);
        self.changes.push(BagChange::Put { name, value, read });
    }

    /// The bag with the changes.
    pub(crate) fn working(&self) -> Bag {
        self.working.clone()
    }

    /// The value of this name is as in `working` for now, and is to be made again by `update` when
    /// it is saved.
    pub(crate) fn update(&mut self, name: String, working: &Bag, update: Update) {
        self.working.copy(&name, working);
        self.changes.push(BagChange::Update { name, update });
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.working.keys().map(str::to_owned).collect()
    }

    /// What was changed shows as it did: nothing of the host's own runs here, where the lock is
    /// held.
    fn rebase(&mut self, bag: &Bag) {
        let mut working = bag.clone();
        for change in &self.changes {
            working.copy(change.name(), &self.working);
        }
        self.working = working;
        // What was read is still what was read, should others have changed it since.
        let before = std::mem::replace(&mut self.base, bag.clone());
        for name in &self.read {
            self.base.copy(name, &before);
        }
    }
}
