//! One performer's work, measured once.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;

use crate::contender::Performer;
use crate::operations::{Answer, Step, Work};
use crate::results::Measure;
use crate::statistics::quantile;
use crate::usage::cpu_time;

/// What one task works with, and what it does: each step, the right answer to it, what it is given.
pub(crate) type Share<P> = (
    <P as Performer>::Worker,
    Vec<(Step, Answer, <P as Performer>::Item)>,
);

/// The work, divided among as many tasks as it is for.
pub(crate) fn shares<P: Performer>(performer: &P, work: &Work) -> Vec<Share<P>> {
    let mut shares: Vec<Share<P>> = (0..work.tasks)
        .map(|task| (performer.worker(task), Vec::new()))
        .collect();
    for (at, (step, sample)) in work.steps.iter().enumerate() {
        let item = performer.item(sample);
        let (_, share) = &mut shares[at % work.tasks];
        share.push((*step, work.expected(*step), item));
    }
    shares
}

/// Does all of it at once, and says how many microseconds each step took. A wrong answer is an error,
/// not a fast result.
pub(crate) async fn performed<P: Performer>(
    performer: &Arc<P>,
    shares: Vec<Share<P>>,
) -> Result<Vec<f64>> {
    let mut tasks = JoinSet::new();
    let mut steps = 0;
    for (mut worker, share) in shares {
        steps += share.len();
        let performer = Arc::clone(performer);
        tasks.spawn(async move {
            let mut latencies = Vec::with_capacity(share.len());
            for (step, expected, item) in share {
                let began = Instant::now();
                let answer = performer.perform(&mut worker, step, item).await?;
                latencies.push(began.elapsed().as_secs_f64() * 1e6);
                ensure!(
                    answer == expected || answer == Answer::Silent,
                    "{step:?} answers {answer:?} instead of {expected:?}"
                );
            }
            Ok(latencies)
        });
    }
    let mut latencies = Vec::with_capacity(steps);
    while let Some(share) = tasks.join_next().await {
        latencies.extend(share.context("a task")??);
    }
    Ok(latencies)
}

/// Does the work in as many tasks as it is for, from the first to the last at once.
pub(crate) async fn measured<P: Performer>(performer: &Arc<P>, work: &Work) -> Result<Measure> {
    let shares = shares(&**performer, work);
    let (cpu, started) = (cpu_time()?, Instant::now());
    let mut latencies = performed(performer, shares).await?;
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_time()? - cpu);

    latencies.sort_by(f64::total_cmp);
    let count = work.count as f64;
    let latency = |part| quantile(&latencies, part).context("work has steps");
    Ok(Measure {
        per_second: count / seconds,
        cpu_micros: cpu.as_secs_f64() * 1e6 / count,
        p50_micros: latency(0.5)?,
        p99_micros: latency(0.99)?,
        log_bytes: None,
    })
}
