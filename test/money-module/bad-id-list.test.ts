/**
 * The bad-id list travels from module to module (docs/PROTOCOLS.md, section 3): in every session for a transaction the end
 * with the newer one passes it on before money moves; the other verifies it, keeps it, and goes by it at once.
 */

import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { PURPOSE_OUTCOME, SIGNED_LIST, TREE_MODULES } from "../../firmware/protocol/kinds.js";
import { BAD_ID_LIST_BYTES_MAX, BAD_IDS_MAX } from "../../firmware/protocol/limits.js";
import * as m from "../../firmware/protocol/messages.js";
import { OUTCOME_ABORTED, TYPE_PURCHASE, TYPE_SALE } from "../../firmware/protocol/messages.js";
import {
  REASON_BAD_ID,
  REASON_MALFORMED,
  REASON_ONLY_TO_TELLER,
  REASON_UNEXPECTED,
} from "../../firmware/protocol/reasons.js";
import { Agency, type AgencySecrets, newAgencies, newAgency } from "../../host/agencies.js";
import { concatBytes, fromHex, toHex } from "../../host/codec/bytes.js";
import { type CborValue, decode, encode } from "../../host/codec/cbor.js";
import { decodeChain } from "../../host/codec/certificate.js";
import { sign1 } from "../../host/codec/cose.js";
import { command } from "../../host/commands.js";
import { ed25519Signer } from "../../host/crypto.js";
import { ReasonError } from "../../host/reasons.js";
import type { OperationHook } from "../../simulator/faults.js";
import { type AgentDevice, AgentWorld } from "../support/agents.js";
import { abortReason, CheatingModule, CheatingSession, deliver, noticeNames } from "../support/cheating-module.js";
import { MESSAGE_FAULTS, type Strike } from "../support/faults.js";
import { type Ends, FaultStage, judgeWords, SCENARIOS, type ScenarioName } from "../support/faults-scenarios.js";
import { issue, type ModuleDevice, ModuleWorld, PIN, transfer } from "../support/modules.js";
import { balance, names, noticeOf, outcomes, trade } from "../support/purchase.js";
import { generator as numbers, TEARS, tornFate } from "../support/store-driver.js";
import { START_SECONDS } from "../support/virtual-time.js";

const NOW = Number(START_SECONDS);
const WORD_BYTES = 4;
const NOBODY = new Uint8Array(16).fill(0xee);
const ENDS = ["initiator", "responder"] as const;

vi.setConfig({ testTimeout: 120_000 });

function list(agency: Agency, version: number, ids: readonly Uint8Array[] = [NOBODY]): Uint8Array {
  return agency.badIdList(
    BigInt(version),
    NOW,
    ids.map((id) => [id, 1]),
  );
}

/** The longest list there is: as many ids as one signature covers. */
function longest(agency: Agency, version: number, named: readonly Uint8Array[] = []): Uint8Array {
  const filler = Array.from({ length: BAD_IDS_MAX - named.length }, (_, at) => new Uint8Array(16).fill(at));
  return list(agency, version, [...filler, ...named]);
}

async function versionOf(module: ModuleDevice): Promise<number> {
  return Number((await module.element.counters()).listVersion);
}

/** The public-key operations of a chip while `work` runs. */
async function verifications(module: ModuleDevice, work: () => Promise<unknown>): Promise<number> {
  const { chip } = module.simulated;
  const spy = vi.spyOn(chip, "ed25519Verify");
  try {
    await work();
    return spy.mock.calls.length;
  } finally {
    spy.mockRestore();
  }
}

describe("in a session of every sort, whichever end has it", () => {
  let stage: FaultStage;
  let modules: Agency;
  beforeAll(async () => {
    stage = await FaultStage.create("lists");
    ({ modules } = stage.world.agencies);
  });

  async function runWith(name: ScenarioName, holder: "initiator" | "responder", strike?: Strike): Promise<Ends> {
    const ends = stage.reset(name);
    await ends[holder].element.putList(longest(modules, 7));
    const before = await stage.before(ends);
    const link = stage.link(strike);
    const outcomes = await stage.run(name, ends, link);
    if (strike === undefined) {
      expect([outcomes.initiator.status, outcomes.responder.status]).toEqual(["fulfilled", "fulfilled"]);
    } else {
      expect(link.hasStruck).toBe(true);
    }
    await stage.restart(ends);
    await stage.meet(ends);
    const isCommitted = await stage.judge(ends, before);
    judgeWords(outcomes, isCommitted);
    if (strike === undefined) expect(isCommitted).toBe(true);
    return ends;
  }

  test.each(SCENARIOS.flatMap((name) => ENDS.map((holder) => [name, holder] as const)))(
    "%s: the %s has the newer one",
    async (name, holder) => {
      const { initiator, responder } = await runWith(name, holder);
      expect([await versionOf(initiator), await versionOf(responder)]).toEqual([7, 7]);
    },
  );

  test("two ends that have the same say nothing of it, and one message each goes before the acknowledgement otherwise", async () => {
    const counts: (readonly number[])[] = [];
    for (const versions of [
      [0, 0],
      [3, 3],
      [4, 3],
      [3, 4],
    ] as const) {
      const ends = stage.reset("payment");
      if (versions[0] > 0) await ends.initiator.element.putList(list(modules, versions[0]));
      if (versions[1] > 0) await ends.responder.element.putList(list(modules, versions[1]));
      const link = stage.link();
      await stage.run("payment", ends, link);
      counts.push([...link.sent]);
    }
    const [none, same, first, second] = counts as [number[], number[], number[], number[]];
    expect(same).toEqual(none);
    for (const passed of [first, second]) expect(passed).toEqual(none.map((count) => count + 1));
  });

  test.each(ENDS)("a link that loses, repeats, alters and cuts: the %s has the newer one", async (holder) => {
    const ends = stage.reset("payment");
    await ends[holder].element.putList(longest(modules, 7));
    const clean = stage.link();
    await stage.run("payment", ends, clean);
    for (const direction of [0, 1] as const) {
      for (let index = 0; index < (clean.sent[direction] ?? 0); index += 1) {
        for (const fault of MESSAGE_FAULTS) {
          const { initiator, responder } = await runWith("payment", holder, { direction, index, fault });
          const other = holder === "initiator" ? responder : initiator;
          expect([0, 7]).toContain(await versionOf(other));
        }
      }
    }
  });

  test.each(ENDS)(
    "power is cut at each operation of the end that gets it from the %s: the old one or the new",
    async (holder) => {
      const other = holder === "initiator" ? "responder" : "initiator";
      const outlaw = stage.module("teller").element.id;
      const begin = async () => {
        const ends = stage.reset("payment");
        await ends[other].element.putList(list(modules, 5, [NOBODY]));
        await ends[holder].element.putList(longest(modules, 7, [outlaw]));
        return ends;
      };
      const seen = new Set<number>();
      for (let at = 0; ; at += 1) {
        let hasStruck = false;
        for (const tear of TEARS) {
          const ends = await begin();
          const next = numbers(at * 31 + 1);
          let left = at;
          const hook: OperationHook = (operation) => {
            if (left-- !== 0) return undefined;
            hasStruck = true;
            return tornFate(tear, operation, next, WORD_BYTES);
          };
          ends[other].simulated.chip.onOperation = hook;
          await stage.run("payment", ends, stage.link());
          await stage.restart(ends);
          const version = await versionOf(ends[other]);
          seen.add(version);
          expect([5, 7], `${tear} at ${at}`).toContain(version);
          // Whole, either of them: who is on it is refused or not, and it can be passed on.
          const third = stage.module("teller");
          const met = await issue(third, ends[other], "0.01 USD").catch((error: unknown) => error as ReasonError);
          if (version === 7) expect(met).toMatchObject({ reason: REASON_BAD_ID });
          else expect(met).not.toBeInstanceOf(ReasonError);
          expect(await versionOf(third)).toBe(version === 7 ? 0 : 5);
        }
        if (!hasStruck) break;
      }
      expect([...seen].sort()).toEqual([5, 7]);
    },
  );

  test("it goes on from one to the next", async () => {
    const ends = stage.reset("payment");
    const { initiator: alice, responder: bob } = ends;
    const teller = stage.module("teller");
    await alice.element.putList(longest(modules, 9));
    await transfer(alice, bob, "2.00 USD");
    await transfer(bob, teller, "1.00 USD");
    expect(await versionOf(teller)).toBe(9);
    // What is passed on is the agency's own word, byte for byte: nobody needs to trust who brought it.
    await teller.element.restart();
    await teller.device.unlock(PIN);
    const carol = await stage.world.module("carol");
    const reply = await new Receiver(stage.world, modules).listens(teller);
    expect(toHex(reply)).toBe(toHex(longest(modules, 9)));
    await transfer(bob, carol, "0.50 USD");
    expect(await versionOf(carol)).toBe(9);
  });

  test("an outcome session passes nothing on", async () => {
    const ends = stage.reset("payment");
    await ends.initiator.element.putList(list(modules, 7));
    await stage.meet(ends);
    expect(await versionOf(ends.responder)).toBe(0);
  });

  test("a former owner of a note is on the list that comes in the session: the note is refused in it", async () => {
    const ends = stage.reset("payment");
    const { initiator: alice, responder: bob } = ends;
    await transfer(alice, bob, "75.00 USD");
    // Bob has notes of alice's and knows nothing yet. Carol does.
    const carol = await stage.world.module("carol, again");
    await carol.element.putList(list(modules, 3, [alice.element.id]));
    await expect(transfer(bob, carol, "10.00 USD")).rejects.toMatchObject({ reason: REASON_BAD_ID });
    expect([await versionOf(bob), await carol.element.notes()]).toEqual([3, []]);
    expect(await bob.element.pending()).toEqual([]);
    // From the next payment on he does not even offer them.
    await expect(transfer(bob, carol, "10.00 USD")).rejects.toMatchObject({ reason: REASON_ONLY_TO_TELLER });
  });
});

/** A module of the test's that has an old list and hears what it is given. */
class Receiver {
  readonly #module: CheatingModule;
  constructor(world: ModuleWorld, agency: Agency) {
    this.#module = new CheatingModule({ agency, random: world.random, now_seconds: NOW });
  }

  async listens(element: ModuleDevice): Promise<Uint8Array> {
    await deliver(element.element, command.listen());
    const session = new CheatingSession(this.#module, element.element, true);
    await session.initiateFirst();
    const said = session.heard(await session.initiateLast()).find((message) => message[0] === m.MODULE_LIST);
    await deliver(element.element, command.cancel());
    return said?.[1] as Uint8Array;
  }
}

describe("inside a session of agents", () => {
  let world: AgentWorld;
  let customer: AgentDevice;
  let merchant: AgentDevice;
  let version = 0;
  beforeAll(async () => {
    world = new AgentWorld("lists of modules with agents");
    const [registry, bank] = [await world.authority("Registry"), await world.authority("First Bank")];
    merchant = await world.merchant("Corner Shop", registry);
    customer = await world.customer("Alice", bank);
    await world.fund([merchant, "USD 100.00"], [customer, "USD 100.00"]);
  });

  test.each([
    ["purchase", "customer", TYPE_PURCHASE],
    ["purchase", "merchant", TYPE_PURCHASE],
    ["sale", "customer", TYPE_SALE],
    ["sale", "merchant", TYPE_SALE],
  ] as const)("%s: the %s's module has the newer one", async (_name, holder, type) => {
    version += 1;
    const ends = { customer, merchant };
    await ends[holder].device.module.putList(longest(world.agencies.modules, version));
    const result = await trade(world, customer, merchant, { type });
    expect([result.customer.error, result.merchant.error]).toEqual([undefined, undefined]);
    expect([names(result.customer).at(-1), names(result.merchant).at(-1)]).toEqual(["done", "done"]);
    for (const { device } of [customer, merchant]) {
      expect((await device.module.counters()).listVersion).toBe(BigInt(version));
      expect(await device.module.pending()).toEqual([]);
    }
  });

  test("the merchant's module is on the list that the customer's brings: nothing is paid, and the card is not charged", async () => {
    version += 1;
    const before = [await balance(customer), await balance(merchant)];
    const outlaws = [merchant.device.module.id];
    // An honest module passes on even what speaks against itself.
    await merchant.device.module.putList(list(world.agencies.modules, version, outlaws));
    const result = await trade(world, customer, merchant, { type: TYPE_PURCHASE });
    expect(names(result.customer)).toContain("aborted");
    expect(noticeOf(result.customer, "aborted").reason).toBe(REASON_BAD_ID);
    expect((await customer.device.module.counters()).listVersion).toBe(BigInt(version));
    expect([await balance(customer), await balance(merchant)]).toEqual(before);
    for (const { notices } of [result.customer, result.merchant]) {
      for (const outcome of outcomes(world, notices)) expect(outcome.outcome).toBe(OUTCOME_ABORTED);
    }
  });
});

describe("what a peer brings", () => {
  let world: ModuleWorld;
  let secrets: AgencySecrets;
  let modules: Agency;
  let alice: ModuleDevice;
  let beginning: Uint8Array;
  let cheat: CheatingModule;

  beforeAll(async () => {
    world = new ModuleWorld("what a peer brings");
    const made = newAgencies(world.random, NOW);
    secrets = made.modules;
    modules = new Agency(secrets);
    Object.assign(world, { agencies: { ...world.agencies, modules } });
    alice = await world.module("alice");
    await alice.element.putList(list(modules, 5));
    beginning = alice.simulated.snapshot();
  });
  beforeEach(async () => {
    alice.simulated.restore(beginning);
    await alice.element.restart();
    await alice.device.unlock(PIN);
    cheat = new CheatingModule({ agency: modules, random: world.random, now_seconds: NOW });
  });

  /** Alice listens, or asks what she shall pay, and meets the cheat, which tells `version` and brings `brought`. */
  async function meet(isListening: boolean, version: number, brought: CborValue) {
    cheat.listVersion = version;
    cheat.list = brought;
    const first = await deliver(alice.element, isListening ? command.listen() : command.payRequested());
    const session = new CheatingSession(cheat, alice.element, isListening);
    const unit = [100n, 840, 2, null] as const;
    const reply = isListening ? await session.initiate() : await session.respond(first, [null, null, unit]);
    return { session, reply };
  }

  const signer = () => ed25519Signer(fromHex(secrets.serverSeed));
  const signed = (payload: CborValue, kind = SIGNED_LIST) =>
    encode([sign1(kind, encode(payload), signer()), modules.serverCertificate]);
  const altered = (bytes: Uint8Array, at: number) => {
    const copy = bytes.slice();
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };

  function forgeries(): (readonly [string, Uint8Array])[] {
    const foreign = new Agency(newAgency(TREE_MODULES, world.random, NOW));
    const good = list(modules, 9);
    const device = decodeChain(cheat.chain).device;
    const payload = encode([1, 9, NOW, []]);
    return [
      ["of a foreign agency", list(foreign, 9)],
      ["of the agents' agency", list(world.agencies.agents, 9)],
      ["signed by a device", encode([sign1(SIGNED_LIST, payload, cheat.signer), device])],
      ["signed by nobody", encode([sign1(SIGNED_LIST, payload, cheat.signer), modules.serverCertificate])],
      ["altered", altered(good, 40)],
      ["with another signature", altered(good, good.length - modules.serverCertificate.length - 20)],
      ["of another kind", signed([1, 9, NOW, []], SIGNED_LIST + 1)],
      ["of another version of the format", signed([2, 9, NOW, []])],
      ["with too many ids", signed([1, 9, NOW, Array.from({ length: BAD_IDS_MAX + 1 }, () => [NOBODY, 1])])],
      ["with a date beyond all dates", signed([1, 9, 2n ** 53n, []])],
      ["with something behind", concatBytes(good, Uint8Array.of(0))],
      ["cut", good.subarray(0, good.length - 1)],
      ["too long", concatBytes(good, new Uint8Array(BAD_ID_LIST_BYTES_MAX))],
      ["as long as an envelope may be", new Uint8Array(6_000)],
      ["nothing", new Uint8Array(0)],
    ];
  }

  test.each([true, false])(
    "forged, stale or none: ignored, and the session goes on (listening: %s)",
    async (isListening) => {
      const stale: (readonly [string, CborValue])[] = [
        ["the same version", list(modules, 5, [])],
        ["an older one", list(modules, 4, [])],
        ["version 0", list(modules, 0, [])],
        ["none", null],
      ];
      for (const [name, brought] of [...stale, ...forgeries()]) {
        const digest = await alice.element.digest();
        const { reply, session } = await meet(isListening, 9, brought);
        const went = isListening ? session.heard(reply).map(([number]) => number) : noticeNames(reply).at(-1);
        expect(went, name).toEqual(isListening ? [m.MODULE_ACKNOWLEDGE] : "requested");
        expect(await versionOf(alice), name).toBe(5);
        expect(await alice.element.digest(), name).toEqual(digest);
        await deliver(alice.element, command.cancel());
      }
    },
  );

  test.each([true, false])(
    "only one that says that it is newer costs a verification (listening: %s)",
    async (isListening) => {
      const cost = (version: number, brought: CborValue) =>
        verifications(alice, async () => {
          await meet(isListening, version, brought);
          await deliver(alice.element, command.cancel());
        });
      await cost(5, null);
      const none = await cost(5, null);
      for (const idle of [null, list(modules, 5, []), list(modules, 4, []), new Uint8Array(3)]) {
        // The cheat's certificate was verified the first time, and is remembered.
        expect(await cost(9, idle)).toBe(none);
      }
      expect(await cost(9, list(modules, 9))).toBe(none + 1);
    },
  );

  test.each([true, false])(
    "the peer itself is on it: refused in this very session (listening: %s)",
    async (isListening) => {
      const { reply, session } = await meet(isListening, 9, longest(modules, 9, [cheat.id]));
      expect(abortReason(reply)).toBe(REASON_BAD_ID);
      expect(session.heard(reply)).toEqual([[m.MODULE_ABORT, REASON_BAD_ID]]);
      expect(await versionOf(alice)).toBe(9);
      // And from the beginning in the next.
      const again = await meet(isListening, 9, null);
      expect(abortReason(again.reply)).toBe(REASON_BAD_ID);
    },
  );

  test.each([true, false])("its security server is on it (listening: %s)", async (isListening) => {
    const { reply } = await meet(isListening, 9, list(modules, 9, [fromHex(secrets.serverId)]));
    expect(abortReason(reply)).toBe(REASON_BAD_ID);
  });

  test("a message of another shape ends the session, and changes nothing", async () => {
    for (const [brought, reason] of [
      [1, REASON_MALFORMED],
      ["list", REASON_MALFORMED],
      [[], REASON_MALFORMED],
      [false, REASON_MALFORMED],
    ] as const) {
      const { reply } = await meet(true, 9, brought);
      expect(abortReason(reply)).toBe(reason);
      expect(await versionOf(alice)).toBe(5);
    }
  });

  test("once a session, and where it is due: otherwise it ends the session unread", async () => {
    const digest = await alice.element.digest();
    const first = await deliver(alice.element, command.payRequested());
    cheat.listVersion = 5;
    const equalVersions = new CheatingSession(cheat, alice.element, false);
    await equalVersions.respondHandshake(first);
    expect(abortReason(await equalVersions.say(m.MODULE_LIST, list(modules, 9)))).toBe(REASON_UNEXPECTED);

    cheat.listVersion = 9;
    const twice = new CheatingSession(cheat, alice.element, false);
    await twice.respondHandshake(await deliver(alice.element, command.payRequested()));
    expect(abortReason(await twice.say(m.MODULE_LIST, null))).toBeUndefined();
    expect(abortReason(await twice.say(m.MODULE_LIST, list(modules, 9)))).toBe(REASON_UNEXPECTED);

    const outcome = new CheatingSession(cheat, alice.element, false, PURPOSE_OUTCOME);
    await outcome.respondHandshake(await deliver(alice.element, command.outcome(true)));
    expect(abortReason(await outcome.say(m.MODULE_LIST, list(modules, 9)))).toBe(REASON_UNEXPECTED);

    const unasked = await meet(true, 5, null);
    expect(abortReason(await unasked.session.say(m.MODULE_LIST, list(modules, 9)))).toBe(REASON_UNEXPECTED);
    expect(await alice.element.digest()).toEqual(digest);
  });

  test("money is not spoken of before the lists", async () => {
    cheat.listVersion = 9;
    await deliver(alice.element, command.listen());
    const session = new CheatingSession(cheat, alice.element, true);
    await session.initiateFirst();
    await session.initiateLast();
    expect(abortReason(await session.propose({ amount: 1n, unit: { currency: 840, exponent: 2 } }))).toBe(
      REASON_UNEXPECTED,
    );
  });

  test("a host delivers one in the middle: the ends go by what they told, and the newest wins", async () => {
    cheat.listVersion = 5;
    await deliver(alice.element, command.listen());
    const session = new CheatingSession(cheat, alice.element, true);
    await session.initiateFirst();
    await alice.element.putList(list(modules, 8));
    const reply = await session.initiateLast();
    expect(session.heard(reply).map(([number]) => number)).toEqual([m.MODULE_ACKNOWLEDGE]);
    await deliver(alice.element, command.cancel());

    // It told 8 when the peer told 5: it says its list, though a still newer one has come.
    await deliver(alice.element, command.listen());
    const other = new CheatingSession(cheat, alice.element, true);
    await other.initiateFirst();
    const newest = list(modules, 12);
    await alice.element.putList(newest);
    const passed = other.heard(await other.initiateLast());
    expect(passed.map(([number]) => number)).toEqual([m.MODULE_LIST]);
    expect(toHex(passed[0]?.[1] as Uint8Array)).toBe(toHex(newest));
    expect((decode(newest) as CborValue[]).length).toBe(2);
  });
});
