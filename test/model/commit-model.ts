/**
 * The rules of the commit (docs/PROTOCOLS.md, section 5) as an abstract model, small enough to walk through every state.
 *
 * One note, one payer P, payees Q and R, a trusted agent beside each module. Three attempts at a payment: two to Q, one to
 * R, each in a session of its own. The network keeps every message ever sent and may deliver any of them any number of
 * times, in any order, or never, which is more than a session allows; every module may lose power between any two steps.
 * Breaking one rule is a `Mutant`: all of them must come out unsafe, or stuck where no agreement can be reached any more.
 *
 * Not in the model: deposits and marks at sign-on, claims, transactions in which both ends give.
 */

/** What an attempt is at the payer, the payee, and either agent; and what the two modules ever did (for the checks). */
interface Attempt {
  used: boolean;
  payer: "none" | "offered" | "committed";
  payerSession: boolean;
  confirmed: boolean;
  payerAcknowledged: boolean;
  payee: "none" | "doubt" | "settled";
  payeeSession: boolean;
  payeeAcknowledged: boolean;
  payerAgent: AgentState;
  payeeAgent: AgentState;
  everCommitted: boolean;
  everSettled: boolean;
}

type AgentState = "none" | "pending" | "success" | "failed";
type Kind = "offer" | "ready" | "key" | "aborted" | "confirm";

interface State {
  /** The payer holds the note, whole and not on offer. */
  note: boolean;
  attempts: Attempt[];
  /** Every message ever sent, as "kind attempt". */
  network: string[];
}

export type Mutant =
  | "payee-drops-on-doubt"
  | "answer-without-abort"
  | "forget-before-confirm"
  | "forget-before-agent"
  | "agent-not-first"
  | "committed-answers-aborted"
  | "payee-ready-before-store"
  | "report-without-closing";

export const MUTANTS: readonly Mutant[] = [
  "payee-drops-on-doubt",
  "answer-without-abort",
  "forget-before-confirm",
  "forget-before-agent",
  "agent-not-first",
  "committed-answers-aborted",
  "payee-ready-before-store",
  "report-without-closing",
];

/** Who is paid in each attempt. */
const PAYEES = ["Q", "Q", "R"] as const;

function initial(): State {
  const attempt: Attempt = {
    used: false,
    payer: "none",
    payerSession: false,
    confirmed: false,
    payerAcknowledged: false,
    payee: "none",
    payeeSession: false,
    payeeAcknowledged: false,
    payerAgent: "none",
    payeeAgent: "none",
    everCommitted: false,
    everSettled: false,
  };
  return { note: true, attempts: PAYEES.map(() => ({ ...attempt })), network: [] };
}

/** One letter for each value: a state as a key. */
function keyOf(state: State): string {
  const rows = state.attempts.map((attempt) =>
    Object.values(attempt)
      .map((value) => (typeof value === "boolean" ? Number(value) : value[0]))
      .join(""),
  );
  return `${Number(state.note)} ${rows.join(" ")} ${state.network.join(",")}`;
}

function copy(state: State): State {
  return { note: state.note, attempts: state.attempts.map((attempt) => ({ ...attempt })), network: state.network };
}

/** All states that may follow, each with what happened. */
class Steps {
  readonly found: { label: string; state: State }[] = [];

  constructor(
    private readonly from: State,
    private readonly mutant: Mutant | undefined,
  ) {
    PAYEES.forEach((_, k) => {
      this.offer(k);
      for (const message of from.network) this.deliver(k, message);
      this.payeeAsks(k);
      this.payerLists(k);
      this.payerAgentAsks(k);
      this.payeeAgentAsks(k);
      this.mutantSteps(k);
      this.payerTimesOut(k);
    });
    this.powerCuts();
  }

  private step(label: string, change: (state: State) => void): void {
    const state = copy(this.from);
    change(state);
    this.found.push({ label, state });
  }

  private at(state: State, k: number): Attempt {
    return state.attempts[k] as Attempt;
  }

  private send(state: State, kind: Kind, k: number): void {
    const message = `${kind} ${k}`;
    if (!state.network.includes(message)) state.network = [...state.network, message].sort();
  }

  /** The agents store the pay-id first; then P offers in one atomic write, and the transfer leaves. */
  private offer(k: number): void {
    const { attempts, note } = this.from;
    const open = attempts.some((other, j) => {
      const samePeer = j !== k && PAYEES[j] === PAYEES[k];
      return samePeer && (other.payer !== "none" || other.payee === "doubt");
    });
    const busy = attempts.some((other) => other.payer === "offered");
    if (!note || this.at(this.from, k).used || open || busy) return;
    this.step(`P offers ${k}`, (state) => {
      const attempt = this.at(state, k);
      state.note = false;
      Object.assign(attempt, { used: true, payer: "offered", payerSession: true, payeeSession: true });
      if (this.mutant !== "agent-not-first") Object.assign(attempt, { payerAgent: "pending", payeeAgent: "pending" });
      this.send(state, "offer", k);
    });
  }

  private deliver(k: number, message: string): void {
    const [kind, attempt] = message.split(" ");
    if (Number(attempt) !== k) return;
    this.step(`deliver ${message}`, (state) => {
      this.take(state, k, kind as Kind);
      this.forget(state, k);
    });
  }

  private take(state: State, k: number, kind: Kind): void {
    const attempt = this.at(state, k);
    if (kind === "offer" && attempt.payeeSession && attempt.payee === "none" && !attempt.everSettled) {
      if (this.mutant !== "payee-ready-before-store") attempt.payee = "doubt";
      this.send(state, "ready", k);
    } else if (kind === "ready" && attempt.payerSession) this.takeReady(state, k);
    else if (kind === "key" && attempt.payeeSession) this.takeKey(state, k);
    else if (kind === "aborted" && attempt.payeeSession && attempt.payee === "doubt") {
      attempt.payee = "none";
      attempt.payeeSession = false;
    } else if (kind === "confirm" && attempt.payer === "committed") attempt.confirmed = true;
  }

  private takeReady(state: State, k: number): void {
    const attempt = this.at(state, k);
    if (attempt.payer === "offered") {
      attempt.payer = "committed";
      attempt.everCommitted = true;
      this.send(state, "key", k);
    } else if (attempt.payer === "committed") {
      this.send(state, this.mutant === "committed-answers-aborted" ? "aborted" : "key", k);
    } else this.send(state, "aborted", k);
  }

  private takeKey(state: State, k: number): void {
    const attempt = this.at(state, k);
    if (attempt.payee === "doubt") {
      attempt.payee = "settled";
      attempt.everSettled = true;
    }
    this.send(state, "confirm", k);
  }

  private abortOffer(state: State, k: number): void {
    const attempt = this.at(state, k);
    if (attempt.payer === "offered") {
      attempt.payer = "none";
      state.note = true;
    }
    attempt.payerSession = false;
  }

  /** Before anything is reported of an attempt it is settled durably, and its live session is over. */
  private settleBeforeReport(state: State, k: number): "committed" | "aborted" {
    if (this.at(state, k).payer === "committed") return "committed";
    if (this.mutant !== "answer-without-abort") this.abortOffer(state, k);
    return "aborted";
  }

  private forget(state: State, k: number): void {
    const attempt = this.at(state, k);
    const confirmed = attempt.confirmed || this.mutant === "forget-before-confirm";
    const early = this.mutant === "forget-before-agent";
    if (attempt.payer === "committed" && confirmed && (attempt.payerAcknowledged || early)) attempt.payer = "none";
    if (attempt.payee === "settled" && (attempt.payeeAcknowledged || early)) attempt.payee = "none";
  }

  /** Outcome session: the payee in doubt asks. The answer may get lost, but the payer has settled before it answers. */
  private payeeAsks(k: number): void {
    if (this.at(this.from, k).payee !== "doubt") return;
    this.step(`the payee asks about ${k}`, (state) => {
      const attempt = this.at(state, k);
      attempt.payeeSession = false;
      if (this.settleBeforeReport(state, k) === "committed") this.takeKey(state, k);
      else attempt.payee = "none";
    });
    this.step(`the payee asks about ${k}, the answer is lost`, (state) => {
      this.at(state, k).payeeSession = false;
      this.settleBeforeReport(state, k);
    });
  }

  /** Outcome session: the payer lists what is unconfirmed; the payee has no doubt about it. */
  private payerLists(k: number): void {
    const attempt = this.at(this.from, k);
    if (attempt.payer !== "committed" || attempt.payee === "doubt" || attempt.confirmed) return;
    this.step(`P lists ${k}`, (state) => {
      this.at(state, k).confirmed = true;
      this.forget(state, k);
    });
  }

  private payerAgentAsks(k: number): void {
    const now = this.at(this.from, k);
    if (now.payerAgent !== "pending" || !now.used) return;
    if (this.mutant === "report-without-closing" && now.payer === "offered") return;
    this.step(`P's agent asks about ${k}`, (state) => {
      const attempt = this.at(state, k);
      const closing = this.mutant !== "report-without-closing";
      const committed = closing ? this.settleBeforeReport(state, k) === "committed" : attempt.payer === "committed";
      attempt.payerAgent = committed ? "success" : "failed";
      if (committed) attempt.payerAcknowledged = true;
      this.forget(state, k);
    });
  }

  private payeeAgentAsks(k: number): void {
    const now = this.at(this.from, k);
    if (now.payeeAgent !== "pending" || now.payee === "doubt") return;
    this.step(`the payee's agent asks about ${k}`, (state) => {
      const attempt = this.at(state, k);
      const settled = attempt.payee === "settled";
      attempt.payeeAgent = settled ? "success" : "failed";
      if (settled) attempt.payeeAcknowledged = true;
      else if (this.mutant !== "report-without-closing") attempt.payeeSession = false;
      this.forget(state, k);
    });
  }

  private mutantSteps(k: number): void {
    const now = this.at(this.from, k);
    if (this.mutant === "payee-drops-on-doubt" && now.payee === "doubt") {
      this.step(`the payee drops ${k}`, (state) => {
        Object.assign(this.at(state, k), { payee: "none", payeeSession: false });
      });
    }
    if (this.mutant === "agent-not-first" && now.used && now.payerAgent === "none") {
      this.step(`the agents store ${k} late`, (state) => {
        Object.assign(this.at(state, k), { payerAgent: "pending", payeeAgent: "pending" });
      });
      this.step(`P's agent loses power before it stores ${k}, and reverses`, (state) => {
        this.at(state, k).payerAgent = "failed";
      });
    }
  }

  private payerTimesOut(k: number): void {
    if (this.at(this.from, k).payer !== "offered") return;
    this.step(`P times out on ${k}`, (state) => this.abortOffer(state, k));
  }

  private powerCuts(): void {
    this.step("P loses power", (state) => {
      PAYEES.forEach((_, k) => {
        this.abortOffer(state, k);
      });
    });
    for (const who of ["Q", "R"]) {
      this.step(`${who} loses power`, (state) => {
        PAYEES.forEach((payee, k) => {
          if (payee === who) this.at(state, k).payeeSession = false;
        });
      });
    }
  }
}

/** What is wrong with a state; undefined if nothing is. */
function broken(state: State): string | undefined {
  const held = Number(state.note) + state.attempts.filter((attempt) => attempt.payer === "offered").length;
  const doubt = state.attempts.filter((attempt) => attempt.everCommitted && !attempt.everSettled).length;
  const spendable = state.attempts.filter((attempt) => attempt.everSettled).length;
  if (held + doubt + spendable !== 1) return `value: held ${held}, in doubt ${doubt}, spendable ${spendable}`;
  for (const attempt of state.attempts) {
    if (attempt.everSettled && !attempt.everCommitted) return "settled without commit";
    if (attempt.everCommitted && !attempt.everSettled && attempt.payee !== "doubt")
      return "committed, no record at the payee";
    if (attempt.payerAgent === "failed" && attempt.everCommitted) return "P's agent is wrong";
    if (attempt.payerAgent === "success" && !attempt.everCommitted) return "P's agent is wrong";
    if (attempt.payeeAgent === "failed" && attempt.everSettled) return "the payee's agent is wrong";
    if (attempt.payeeAgent === "success" && !attempt.everSettled) return "the payee's agent is wrong";
  }
  return undefined;
}

/** Nothing is open any more. */
function isQuiet(state: State): boolean {
  return state.attempts.every(
    ({ payer, payee, payerAgent, payeeAgent }) =>
      payer === "none" && payee === "none" && payerAgent !== "pending" && payeeAgent !== "pending",
  );
}

export interface Exploration {
  readonly states: number;
  /** The first unsafe state: what is wrong, and how it came about. */
  readonly unsafe: { readonly reason: string; readonly path: readonly string[] } | undefined;
  /** States from which agreement can no longer be reached. */
  readonly stuck: number;
}

/** Every state that can be reached, breadth first; with a mutant until the first unsafe one. */
export function explore(mutant?: Mutant): Exploration {
  const start = initial();
  const parents = new Map<string, { from: string; label: string } | undefined>([[keyOf(start), undefined]]);
  const backwards = new Map<string, string[]>();
  const quiet: string[] = [];
  const queue = [start];
  for (let next = 0; next < queue.length; next += 1) {
    const state = queue[next] as State;
    const key = keyOf(state);
    const reason = broken(state);
    if (reason !== undefined) return { states: parents.size, unsafe: { reason, path: pathTo(parents, key) }, stuck: 0 };
    if (isQuiet(state)) quiet.push(key);
    for (const { label, state: following } of new Steps(state, mutant).found) {
      const followingKey = keyOf(following);
      if (followingKey === key) continue;
      const before = backwards.get(followingKey);
      if (before === undefined) backwards.set(followingKey, [key]);
      else before.push(key);
      if (parents.has(followingKey)) continue;
      parents.set(followingKey, { from: key, label });
      queue.push(following);
    }
  }
  return { states: parents.size, unsafe: undefined, stuck: parents.size - reaching(quiet, backwards) };
}

/** How many states lead to one of these. */
function reaching(goals: readonly string[], backwards: ReadonlyMap<string, readonly string[]>): number {
  const reach = new Set(goals);
  const queue = [...goals];
  for (let next = 0; next < queue.length; next += 1) {
    for (const before of backwards.get(queue[next] as string) ?? []) {
      if (reach.has(before)) continue;
      reach.add(before);
      queue.push(before);
    }
  }
  return reach.size;
}

function pathTo(parents: ReadonlyMap<string, { from: string; label: string } | undefined>, key: string): string[] {
  const path: string[] = [];
  for (let step = parents.get(key); step !== undefined; step = parents.get(step.from)) path.unshift(step.label);
  return path;
}
