/** One moment: a transaction during which somebody is killed, what people do then, and whether all agree afterwards. */

import { changesBetween, type Observation, observe } from "./agreement.js";
import type { Economy, ServerName } from "./economy.js";
import { OWNER, PAYEE, type Planned, type Victim, verdict } from "./kinds.js";
import type { Moment } from "./moments.js";
import type { Counts, Order } from "./orders.js";
import { counting, type Exit, Process } from "./processes.js";

/** How often an owner tries to resume, before it counts as impossible. */
const RESUMES_MAX = 4;
/** So long after everybody was resumed there may still be something under way between servers. */
const AGREE_WITHIN_MS = 20_000;
const LOOK_AGAIN_MS = 100;
const LOOK_AGAIN_MS_MAX = 1_600;
/** A person would call this a wait. */
const SLOW_MS = 5_000;

export interface Result {
  /** Whether the moment came: a drawn one may lie behind the end of this run. */
  readonly killed: boolean;
  readonly killedAgain: boolean;
  readonly happened: boolean | undefined;
  readonly faults: readonly string[];
  /** Steps that somebody had to wait for. */
  readonly slow: readonly string[];
  readonly took_ms: number;
  readonly after: Observation;
}

/** What somebody was told about the money. */
interface Word {
  readonly who: string;
  readonly says: boolean;
  readonly text: string;
}

export class Trial {
  readonly #economy: Economy;
  readonly #moment: Moment | undefined;
  readonly #faults: string[] = [];
  readonly #slow: string[] = [];
  readonly #words: Word[] = [];
  #killed = false;
  #killedAgain = false;

  /** Without a moment nobody is killed. */
  constructor(economy: Economy, moment?: Moment) {
    this.#economy = economy;
    this.#moment = moment;
  }

  async run(plan: (now: Observation) => Planned, before: Observation): Promise<Result> {
    const begun_ms = performance.now();
    const planned = plan(before);
    const server = this.#servedVictim();
    if (server !== undefined) {
      this.#economy.orderNext(server, this.#moment?.again);
      await this.#economy.order(server, this.#moment?.order);
    }
    const deaths = server === undefined ? 0 : this.#economy.deaths(server);
    if (planned.words[1] === "pay") await this.#payment(planned);
    else await this.#withServer(planned);
    await this.#economy.quiet();
    if (server !== undefined) {
      const died = this.#economy.deaths(server) - deaths;
      this.#killed = died > 0;
      this.#killedAgain = died > 1;
      this.#economy.orderNext(server, undefined);
      await this.#economy.order(server, undefined);
      await this.#economy.quiet();
    }
    const after = await this.#agreed(before, planned);
    this.#faults.push(...this.#economy.faults.splice(0));
    return {
      killed: this.#killed,
      killedAgain: this.#killedAgain,
      happened: after.happened,
      faults: this.#faults,
      slow: this.#slow,
      took_ms: performance.now() - begun_ms,
      after: after.observation,
    };
  }

  #servedVictim(): ServerName | undefined {
    const victim = this.#moment?.victim;
    return victim === "network" || victim === "bank" || victim === "alder" || victim === "birch" ? victim : undefined;
  }

  #orderFor(victim: Victim): { order?: Order } {
    return this.#moment?.victim === victim ? { order: this.#moment.order } : {};
  }

  /** With a merchant or the bank; then its owner resumes, whatever it was told. */
  async #withServer(planned: Planned): Promise<void> {
    const { home } = this.#economy;
    const wallet = new Process(planned.words, { home, ...this.#orderFor("wallet") });
    const exit = await this.#endOf(wallet);
    this.#hear(planned.words.slice(0, 3).join(" "), exit);
    if (exit.signal === "SIGKILL") this.#killed = true;
    if (this.#moment !== undefined) await this.#resume([]);
  }

  // Payments between wallets.

  async #payment(planned: Planned): Promise<void> {
    const { home } = this.#economy;
    const payee = new Process(["wallet", "request", PAYEE, planned.money, "--no-qr"], { home });
    const ready = await payee.event("ready");
    if (ready === undefined) throw new Error(`the payee cannot ask: ${payee.err}`);
    const address = String(ready["address"]);
    if (this.#moment?.victim === "payee") await payee.order(this.#moment.order);
    const words = [...planned.words, String(ready["uri"]), "--yes"];
    const payer = new Process(words, { home, ...this.#orderFor("payer") });
    const listening = await this.#payeeAfter(payee, payer, address);
    const paid = await this.#endOf(payer);
    this.#hear("the payer", paid);
    if (paid.signal === "SIGKILL") this.#killed = true;
    // One that asked for money and has it closes its shop.
    const { process } = listening;
    const isClosed = () =>
      process.isOver || (process === payee && process.events.some(({ event }) => event === "paid"));
    if (this.#moment !== undefined && !isClosed()) await this.#resume([listening.address], isClosed);
    await this.#stop(listening.process, "the payee");
    if (listening.process.events.some(({ event }) => event === "paid"))
      this.#words.push({ who: "the payee", says: true, text: "paid" });
    // Whoever asked for money has closed the shop: the payer comes back to one that takes whatever comes.
    if (paid.signal !== "SIGKILL" && !this.#killed) return;
    const receiving = await this.#receive("0");
    await this.#resume([receiving.address]);
    await this.#stop(receiving.process, "the payee");
  }

  /** Whoever listens for the payer, as soon as the payee or the payer has come to an end: the payee, or its next process. */
  async #payeeAfter(payee: Process, payer: Process, address: string): Promise<{ process: Process; address: string }> {
    const first = await Promise.race([
      payee.exited.then((exit) => ({ exit })),
      payer.exited.then(() => ({ exit: undefined })),
    ]);
    if (first.exit?.signal !== "SIGKILL") return { process: payee, address };
    this.#killed = true;
    return this.#receive(new URL(address).port, this.#moment?.again);
  }

  async #receive(port: string, order?: Order): Promise<{ process: Process; address: string }> {
    const { home } = this.#economy;
    const process = new Process(["wallet", "receive", PAYEE, "--port", port], { home, order });
    const ready = await process.event("ready");
    if (ready !== undefined) return { process, address: String(ready["address"]) };
    const { signal, err } = await process.end();
    if (order === undefined || signal !== "SIGKILL") throw new Error(`the payee cannot receive: ${err}`);
    this.#killedAgain = true;
    return this.#receive(port);
  }

  async #stop(process: Process, who: string): Promise<void> {
    // One that was paid ends by itself; told to end in the same moment it ends as it would have.
    if (!process.isOver && !process.events.some(({ event }) => event === "paid")) process.kill("SIGTERM");
    else if (process.name.includes("receive")) process.kill("SIGTERM");
    const { code, signal, err } = await process.end();
    if (signal === "SIGKILL") this.#killedAgain ||= this.#killed;
    if (signal === "SIGKILL") this.#killed = true;
    else if (code !== 0 && code !== 130) this.#faults.push(`${who} ended with ${code ?? signal}: ${err}`);
  }

  // Resuming.

  /** `isVain`: there is nobody to resume with any more. */
  async #resume(where: readonly string[], isVain: () => boolean = () => false): Promise<void> {
    const { home } = this.#economy;
    const isVictim = this.#moment?.victim === "wallet" || this.#moment?.victim === "payer";
    let order = isVictim && this.#killed ? this.#moment?.again : undefined;
    let said = "";
    for (let tries = 0; tries < RESUMES_MAX; tries += 1) {
      await this.#economy.ready();
      const exit = await this.#endOf(new Process(["wallet", "resume", OWNER, ...where], { home, order }));
      if (exit.signal === "SIGKILL") this.#killedAgain = true;
      else if (exit.code === 0 || isVain()) return;
      else said = exit.err === "" ? exit.out.trim() : exit.err;
      order = undefined;
    }
    this.#faults.push(`the owner cannot resume: ${said}`);
  }

  async #endOf(process: Process): Promise<Exit> {
    const exit = await process.end();
    if (exit.took_ms > SLOW_MS) this.#slow.push(`"${process.name}" took ${(exit.took_ms / 1000).toFixed(1)} s`);
    return exit;
  }

  // What was said, and what is.

  #hear(who: string, { code, signal, out, err }: Exit): void {
    if (signal === "SIGKILL") return;
    const result = lastLine(out);
    if (code === 0 && result?.["provisional"] !== true) this.#words.push({ who, says: true, text: "done" });
    else if (/[Nn]o money moved/.test(err)) this.#words.push({ who, says: false, text: err });
    if (this.#moment === undefined && code !== 0) this.#faults.push(`${who} failed, and nobody was killed: ${err}`);
  }

  async #agreed(before: Observation, planned: Planned): Promise<{ observation: Observation; happened?: boolean }> {
    const until_ms = performance.now() + AGREE_WITHIN_MS;
    for (let pause_ms = LOOK_AGAIN_MS; ; pause_ms = Math.min(2 * pause_ms, LOOK_AGAIN_MS_MAX)) {
      const observation = await observe(this.#economy.home);
      const outcome = verdict(planned, changesBetween(before, observation));
      const faults = [...observation.complaints, ...(typeof outcome === "string" ? [outcome] : [])];
      if (faults.length > 0 && performance.now() < until_ms) {
        await new Promise((resolve) => setTimeout(resolve, pause_ms));
        continue;
      }
      if (typeof outcome === "string") return { observation, ...this.#failed(faults) };
      for (const { who, says, text } of this.#words) {
        const truth = outcome ? "it happened" : "it did not happen";
        if (says !== outcome) faults.push(`${who} was told "${text}", and ${truth}`);
      }
      if (this.#moment === undefined && !outcome) faults.push("nobody was killed, and it did not happen");
      this.#faults.push(...faults);
      return { observation, happened: outcome };
    }
  }

  #failed(faults: readonly string[]): object {
    this.#faults.push(...faults);
    return {};
  }
}

function lastLine(out: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(out.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** How many moments a victim has in a transaction of this kind when nobody is killed. */
export async function measure(
  economy: Economy,
  planned: Planned,
  victims: readonly Victim[],
): Promise<Map<Victim, Counts>> {
  const measured = new Map<Victim, Counts>();
  const servers = victims.filter((victim) => victim !== "wallet" && victim !== "payer" && victim !== "payee");
  const { home } = economy;
  for (const name of servers) await economy.order(name as ServerName, undefined);
  let words = planned.words;
  let payee: Process | undefined;
  if (planned.words[1] === "pay") {
    payee = new Process(["wallet", "request", PAYEE, planned.money, "--no-qr"], { home });
    words = [...words, String((await payee.event("ready"))?.["uri"]), "--yes"];
    await payee.order(undefined);
  }
  const ended = payee?.countsAtPaid();
  const { exit, counts } = await counting(words, home);
  if (exit.code !== 0) throw new Error(`"${words.slice(0, 3).join(" ")}" failed, and nobody was killed: ${exit.err}`);
  for (const victim of victims) if (victim === "wallet" || victim === "payer") measured.set(victim, counts);
  const payeeCounts = await ended;
  if (payeeCounts !== undefined) measured.set("payee", payeeCounts);
  await payee?.end();
  await economy.quiet();
  for (const name of servers) {
    const served = await economy.order(name as ServerName, undefined);
    if (served !== undefined) measured.set(name, served);
  }
  return measured;
}
