//! One pass over the file: clients with what they hold, where each message lies, what is retained.
//!
//! What must hold: each chunk is checked before it counts; what a chunk refers to stands before it in the file, as
//! Mosquitto writes it; what refers to nothing is damage, unless Mosquitto itself passes it over.

use std::collections::HashMap;
use std::io::{Read, Seek};

use burgee_codec::{PacketId, QoS, TopicFilterBuf, TopicName};

use super::chunk::{Chunk, File};
use super::error::DbError;
use super::fields::{self, ClientMessageFields, Direction, FileFields, Order, SubscriptionFields};
use super::kind::Kind;
use super::left::{Left, Remarks};

/// What MQTT can carry in one packet; a longer payload never came in.
const LARGEST_PAYLOAD: u32 = 268_435_455;

/// Where a message lies.
#[derive(Copy, Clone, Debug)]
pub(super) struct Stored {
    /// Where its topic begins; the payload follows.
    pub(super) at: u64,
    pub(super) topic: u16,
    pub(super) payload: u32,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    fate: Fate,
    /// Something refers to it.
    used: bool,
}

/// Whether Mosquitto would still hand a message out.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
enum Fate {
    Good,
    /// Its time was over.
    Expired,
    /// Below `$SYS`: owed to clients, but retained no more.
    Sys,
}

/// How far a delivery has come.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// It has not been sent, or nobody needs to know that it was.
    Waiting,
    /// QoS 2, sent with this identifier.
    Sent(PacketId),
    /// QoS 2, PUBREC came for this identifier.
    Released(PacketId),
}

/// A message that a client is owed.
#[derive(Copy, Clone, Debug)]
pub(super) struct Owed {
    pub(super) message: u64,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) way: Way,
}

/// A QoS 2 message that a client has sent and not released.
#[derive(Copy, Clone, Debug)]
pub(super) struct Unreleased {
    pub(super) message: u64,
    pub(super) id: PacketId,
}

/// A session with all that it holds.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) name: Box<str>,
    pub(super) user: Option<Box<str>>,
    pub(super) subscriptions: Vec<(TopicFilterBuf, QoS)>,
    pub(super) owed: Vec<Owed>,
    pub(super) unreleased: Vec<Unreleased>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) clients: Vec<Client>,
    pub(super) messages: HashMap<u64, Stored>,
    /// Numbers of messages, in the order of the file.
    pub(super) retained: Vec<u64>,
    pub(super) remarks: Remarks,
    names: HashMap<Box<str>, Place>,
    head: Option<FileFields>,
    now: i64,
}

/// Where a client stands.
#[derive(Copy, Clone, Debug)]
enum Place {
    At(usize),
    /// Its time was over: what is its own goes with it.
    Expired,
}

/// Goes through all chunks. `now` is the time in seconds since 1970, by which Mosquitto's expiry times are judged.
pub(super) fn gather<R: Read + Seek>(file: &mut File<R>, now: i64) -> Result<Gathered, DbError> {
    let mut gathered = Gathered {
        clients: Vec::new(),
        messages: HashMap::new(),
        retained: Vec::new(),
        remarks: Remarks::default(),
        names: HashMap::new(),
        head: None,
        now,
    };
    let mut bytes = Vec::new();
    while let Some(chunk) = file.next()? {
        if chunk.kind == Kind::Message {
            gathered.message(file, &chunk, &mut bytes)?;
            continue;
        }
        fields::small(file, &chunk, &mut bytes)?;
        let order = gathered.head.map_or(Order::Low, |head| head.order);
        match chunk.kind {
            Kind::File => gathered.file(&chunk, &bytes)?,
            Kind::Client => gathered.client(&chunk, fields::of_client(&chunk, &bytes, order, file.version)?)?,
            Kind::ClientMessage => {
                gathered.client_message(&chunk, fields::of_client_message(&chunk, &bytes, order)?)?;
            }
            Kind::Subscription => gathered.subscription(fields::of_subscription(&chunk, &bytes, order)?),
            Kind::Retained => gathered.retain(&chunk, fields::of_retained(&chunk, &bytes, order)?)?,
            Kind::Message => {}
        }
    }
    gathered.finish();
    Ok(gathered)
}

impl Gathered {
    fn file(&mut self, chunk: &Chunk, bytes: &[u8]) -> Result<(), DbError> {
        if chunk.number != 1 {
            return Err(chunk.damaged("it stands at the beginning alone"));
        }
        let head = fields::of_file(chunk, bytes)?;
        if !head.orderly_end {
            self.remarks.add(Left::Autosave, None);
        }
        self.head = Some(head);
        Ok(())
    }

    /// Numbers of 8 bytes can be read once the order is known.
    fn order(&self, chunk: &Chunk) -> Result<Order, DbError> {
        let head = self
            .head
            .ok_or_else(|| chunk.damaged("the chunk about the file has to be the first"))?;
        Ok(head.order)
    }

    fn message<R: Read + Seek>(
        &mut self,
        file: &mut File<R>,
        chunk: &Chunk,
        bytes: &mut Vec<u8>,
    ) -> Result<(), DbError> {
        let order = self.order(chunk)?;
        bytes.resize(fields::MESSAGE.min(chunk.length as usize), 0);
        file.read_at(chunk.begin(), bytes)?;
        let message = fields::of_message(chunk, bytes, order)?;
        if message.payload > LARGEST_PAYLOAD {
            return Err(chunk.damaged("its payload is longer than MQTT allows"));
        }
        let at = chunk.begin() + fields::MESSAGE as u64 + u64::from(message.publisher) + u64::from(message.user);
        let behind = at + u64::from(message.topic) + u64::from(message.payload);
        let end = chunk.begin() + u64::from(chunk.length);
        let Some(rest) = end.checked_sub(behind) else {
            return Err(chunk.damaged("it is too short for its texts and its payload"));
        };
        bytes.resize(usize::from(message.topic), 0);
        file.read_at(at, bytes)?;
        let topic = str::from_utf8(bytes).map_err(|_| chunk.damaged("its topic is no UTF-8"))?;
        TopicName::parse(topic).map_err(|error| chunk.damaged(format!("its topic cannot be: {error}")))?;
        let expired = message.expiry_time > 0 && message.expiry_time <= self.now;
        if expired {
            self.remarks.add(Left::MessageExpired, Box::from(topic));
        } else if message.expiry_time > 0 {
            self.remarks.add(Left::MessageExpiry, Box::from(topic));
        }
        let fate = match expired {
            true => Fate::Expired,
            false if topic.starts_with("$SYS") => Fate::Sys,
            false => Fate::Good,
        };
        let name: Box<str> = topic.into();
        let mut first = [0; 4];
        let first = first.get_mut(..rest.min(4) as usize).unwrap_or_default();
        file.read_at(behind, first)?;
        if fields::properties(chunk, first, rest)? {
            self.remarks.add(Left::Properties, name);
        }
        let stored = Stored {
            at,
            topic: message.topic,
            payload: message.payload,
            qos: message.qos,
            retain: message.retain,
            fate,
            used: false,
        };
        match self.messages.insert(message.number, stored) {
            None => Ok(()),
            Some(_) => Err(chunk.damaged(format!("there are two messages with the number {}", message.number))),
        }
    }

    fn client(&mut self, chunk: &Chunk, client: fields::ClientFields) -> Result<(), DbError> {
        self.order(chunk)?;
        if self.names.contains_key(&client.client) {
            return Err(chunk.damaged(format!("there are two clients {:?}", client.client)));
        }
        if client.expiry_time > 0 && client.expiry_time <= self.now {
            self.names.insert(client.client.clone(), Place::Expired);
            self.remarks.add(Left::SessionExpired, client.client);
            return Ok(());
        }
        if client.expiry_interval != u32::MAX {
            self.remarks.add(Left::SessionExpiry, client.client.clone());
        }
        self.add_client(client.client, client.user);
        Ok(())
    }

    fn add_client(&mut self, name: Box<str>, user: Option<Box<str>>) -> usize {
        let at = self.clients.len();
        self.names.insert(name.clone(), Place::At(at));
        self.clients.push(Client {
            name,
            user,
            subscriptions: Vec::new(),
            owed: Vec::new(),
            unreleased: Vec::new(),
        });
        at
    }

    fn subscription(&mut self, subscription: SubscriptionFields) {
        let SubscriptionFields {
            client, filter, qos, ..
        } = subscription;
        let at = match self.names.get(&client) {
            Some(Place::Expired) => return,
            Some(Place::At(at)) => *at,
            None => {
                self.remarks.add(Left::ClientUnsaid, client.clone());
                self.add_client(client, None)
            }
        };
        if subscription.options != 0 || subscription.identifier != 0 {
            self.remarks.add(Left::SubscriptionOptions, filter.clone());
        }
        match TopicFilterBuf::parse(&filter) {
            Ok(filter) => {
                if let Some(client) = self.clients.get_mut(at) {
                    client.subscriptions.push((filter, qos));
                }
            }
            Err(_) => self.remarks.add(Left::Filter, filter),
        }
    }

    fn client_message(&mut self, chunk: &Chunk, said: ClientMessageFields) -> Result<(), DbError> {
        self.order(chunk)?;
        let missing = || chunk.damaged(format!("there is no message {}", said.message));
        let stored = self.messages.get_mut(&said.message).ok_or_else(missing)?;
        stored.used = true;
        let at = match self.names.get(&said.client) {
            Some(Place::Expired) => return Ok(()),
            Some(Place::At(at)) => *at,
            None => {
                self.remarks.add(Left::ClientUnknown, said.client);
                return Ok(());
            }
        };
        let Some(client) = self.clients.get_mut(at) else {
            return Ok(());
        };
        if said.properties {
            self.remarks.add(Left::Properties, client.name.clone());
        }
        match said.direction {
            Direction::In => {
                let id = incoming(&said).map_err(|what| chunk.damaged(what))?;
                client.unreleased.extend(id.map(|id| Unreleased {
                    message: said.message,
                    id,
                }));
            }
            Direction::Out => {
                let way = outgoing(&said).map_err(|what| chunk.damaged(what))?;
                if said.qos == QoS::AtMostOnce {
                    self.remarks.add(Left::Unkept, client.name.clone());
                } else if stored.fate != Fate::Expired || way != Way::Waiting {
                    client.owed.push(Owed {
                        message: said.message,
                        qos: said.qos,
                        retain: said.retain,
                        way,
                    });
                }
            }
        }
        Ok(())
    }

    fn retain(&mut self, chunk: &Chunk, number: u64) -> Result<(), DbError> {
        self.order(chunk)?;
        let Some(stored) = self.messages.get_mut(&number) else {
            return Err(chunk.damaged(format!("there is no message {number}")));
        };
        stored.used = true;
        match stored.fate {
            Fate::Good => self.retained.push(number),
            Fate::Sys => self.remarks.add(Left::Sys, None),
            Fate::Expired => {}
        }
        Ok(())
    }

    fn finish(&mut self) {
        let unowned = self.messages.values().filter(|stored| !stored.used).count();
        for _ in 0..unowned {
            self.remarks.add(Left::Unowned, None);
        }
        self.names = HashMap::new();
    }
}

/// The identifier of a QoS 2 message that its publisher has still to release. The states are Mosquitto's.
fn incoming(said: &ClientMessageFields) -> Result<Option<PacketId>, String> {
    match said.state {
        // It waits for PUBREL; it is to be answered with PUBREC; it waits for its turn to be answered.
        7 | 10 | 11 if said.qos == QoS::ExactlyOnce => PacketId::new(said.id)
            .map(Some)
            .ok_or_else(|| "a message of QoS 2 has the identifier 0".to_owned()),
        // PUBREL came: what is left is PUBCOMP, which a repeated PUBREL gets in any case.
        8 => Ok(None),
        state => Err(format!(
            "no message of QoS {} comes in in state {state}",
            said.qos.bits()
        )),
    }
}

/// How far a delivery is. The states are Mosquitto's.
fn outgoing(said: &ClientMessageFields) -> Result<Way, String> {
    let id = || PacketId::new(said.id).ok_or_else(|| "a message under way has the identifier 0".to_owned());
    match (said.state, said.qos) {
        // Queued; to be sent with QoS 0 or 1; QoS 1 sent, which comes again with DUP in any case.
        (11, _) | (1, QoS::AtMostOnce) | (2 | 3, QoS::AtLeastOnce) => Ok(Way::Waiting),
        // To be sent, perhaps again; sent, waiting for PUBREC.
        (4 | 5, QoS::ExactlyOnce) => Ok(Way::Sent(id()?)),
        // PUBREL is to be sent; it was, and PUBCOMP is awaited.
        (6 | 9, QoS::ExactlyOnce) => Ok(Way::Released(id()?)),
        (state, qos) => Err(format!("no message of QoS {} goes out in state {state}", qos.bits())),
    }
}
