//! `burgee sub --tree`: the topics as a tree, with the last value of each, how often it comes, and whether it was retained.
//!
//! What must hold: memory is bounded, whatever comes; on a terminal the picture is drawn at most five times a second,
//! whatever the traffic; elsewhere the tree is printed once, at the end. Deliberately absent: a history.

mod screen;
mod topics;
mod view;

use std::time::{Duration, Instant};

use burgee_client::Message;
use burgee_client::connection::Connection as Client;

use crate::connect::trace::Trace;
use crate::failure::Failure;
use crate::follow::{Next, Take};
use crate::print::{Shown, print};
use screen::{Key, Screen};
use topics::Topics;
use view::{Look, View};

/// Between two pictures.
const EVERY: Duration = Duration::from_millis(200);

/// Who draws.
pub(crate) struct Tree {
    topics: Topics,
    view: View,
    screen: Option<Screen>,
    shown: Shown,
    left: Option<u64>,
    drawn: Option<Instant>,
}

impl Tree {
    /// On the terminal, if there is one.
    pub(crate) fn new(shown: Shown, left: Option<u64>) -> Self {
        Self {
            topics: Topics::default(),
            view: View::default(),
            screen: Screen::open(),
            shown,
            left,
            drawn: None,
        }
    }

    /// Whether the terminal is drawn on: nobody else may write there.
    pub(crate) const fn is_live(&self) -> bool {
        self.screen.is_some()
    }

    /// The whole tree as text, for who has no terminal.
    pub(crate) async fn finish(mut self) -> Result<(), Failure> {
        if self.screen.take().is_some() {
            return Ok(());
        }
        let out = view::plain(&self.topics, &Look::new(&self.topics, self.shown, Instant::now()));
        let unwritable = |error| Failure::refused(format!("cannot write to standard output: {error}"));
        print(out).await.map(drop).map_err(unwritable)
    }

    fn add(&mut self, message: &Message) -> Next {
        self.topics.add(message, Instant::now());
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.left == Some(0) { Next::Done } else { Next::GoOn }
    }

    fn draw(&mut self, now: Instant) {
        self.drawn = Some(now);
        let look = Look::new(&self.topics, self.shown, now);
        screen::write(&self.view.draw(&self.topics, &look, screen::size()));
    }
}

impl Take for Tree {
    fn takes_one_by_one(&self) -> bool {
        self.left.is_some()
    }

    async fn take(
        &mut self,
        message: Message,
        _: &Client,
        _: &Trace,
        mut more: impl FnMut() -> Option<Message>,
    ) -> Result<Next, Failure> {
        let mut next = self.add(&message);
        while next == Next::GoOn
            && let Some(message) = more()
        {
            next = self.add(&message);
        }
        Ok(next)
    }

    async fn idle(&mut self) -> Next {
        let Some(screen) = &mut self.screen else {
            return std::future::pending().await;
        };
        let until = self.drawn.map(|drawn| drawn + EVERY);
        let key = tokio::select! {
            key = screen.key() => Some(key),
            () = async {
                if let Some(until) = until {
                    tokio::time::sleep_until(until.into()).await;
                }
            } => None,
        };
        match key {
            Some(Key::Quit) => return Next::Done,
            Some(key) => {
                let (_, rows) = screen::size();
                self.view.press(key, rows);
            }
            None => {}
        }
        self.draw(Instant::now());
        Next::GoOn
    }
}
