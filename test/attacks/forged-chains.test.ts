/**
 * Certificates that are forged, expired, self-signed, of the wrong role, the wrong depth or the wrong tree: neither a module
 * nor an agent opens a session on them, each for its own reason, and nothing of them is stored.
 */

import { beforeAll, describe, expect, it } from "vitest";
import { ROLE_MERCHANT } from "../../firmware/protocol/kinds.js";
import * as m from "../../firmware/protocol/messages.js";
import { toHex } from "../../host/codec/bytes.js";
import { command } from "../../host/commands.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import { parseMoney } from "../../host/units.js";
import { type AgentDevice, AgentWorld, NOW } from "../support/agents.js";
import { CheatingMerchant, type Lies } from "../support/cheating-merchant.js";
import {
  abortReason,
  type CheatingModule,
  CheatingSession,
  deliver,
  noticeNames,
  type Reply,
} from "../support/cheating-module.js";
import { NoteCheats, usd } from "../support/cheating-notes.js";
import { FORGERIES, type Forger, genuineChain, secretsOf } from "../support/forged-chains.js";
import { customerAnswers, names, shop } from "../support/purchase.js";

const SEED = "forged chains";
const secrets = secretsOf(SEED, NOW);

describe("a module", () => {
  let cheats: NoteCheats;
  let forger: Forger;

  beforeAll(async () => {
    cheats = await NoteCheats.create(SEED);
    const { id, role, signer, agreement } = cheats.friend;
    const subject = { id, role, signatureKey: signer.publicKey, agreementKey: agreement.publicKey };
    forger = { own: secrets.modules, other: secrets.agents, subject, signer, now: NOW };
  });

  async function meet(peer: CheatingModule, initiator: boolean): Promise<Reply> {
    const { element } = cheats.alice;
    const session = new CheatingSession(peer, element, initiator);
    if (!initiator) return session.respondHandshake(await deliver(element, command.payRequested()));
    await deliver(element, command.listen());
    return session.initiate();
  }

  it("opens a session on a chain that is as it should be", async () => {
    for (const initiator of [true, false]) {
      const reply = await meet(cheats.friend.telling({ chain: genuineChain(forger) }), initiator);
      expect(noticeNames(reply)).toEqual(["session"]);
      await deliver(cheats.alice.element, command.cancel());
    }
  });

  it.each(Object.keys(FORGERIES))("refuses one that is %s, as responder and as initiator", async (name) => {
    const { chain, reason } = (FORGERIES[name] as NonNullable<(typeof FORGERIES)[string]>)(forger);
    for (const initiator of [true, false]) {
      const before = await cheats.state(cheats.alice);
      const reply = await meet(cheats.friend.telling({ chain }), initiator);
      expect(noticeNames(reply)).toEqual(["aborted"]);
      expect(abortReason(reply)).toBe(reason);
      expect(reply.toPeer).toEqual([{ kind: m.KIND_REFUSAL, body: Uint8Array.of(reason) }]);
      expect(await cheats.state(cheats.alice)).toEqual(before);
    }
    // Nor is anything remembered against whoever has a good one.
    expect(abortReason(await deliver(cheats.alice.element, command.pay(usd(1n), null)))).toBeDefined();
  });
});

describe("an agent", () => {
  let world: AgentWorld;
  let customer: AgentDevice;

  beforeAll(async () => {
    world = new AgentWorld(SEED);
    customer = await world.customer("Alice", await world.authority("First Bank"));
  });

  async function meet(chain: NonNullable<Lies["chain"]>) {
    const [near, far] = inProcessLink();
    const cheat = new CheatingMerchant(world, far, { chain });
    const side = await world.time.run(shop(customer, near, command.sell(), customerAnswers(parseMoney("USD 10.00"))));
    return { cheat, side };
  }

  function forgerOf({ self, agreementKey }: CheatingMerchant): Forger {
    const { id, signer } = self;
    const subject = { id, role: ROLE_MERCHANT, signatureKey: signer.publicKey, agreementKey };
    return { own: secrets.agents, other: secrets.modules, subject, signer, now: NOW };
  }

  it("opens a session on a chain that is as it should be", async () => {
    const { side } = await meet((cheat) => genuineChain(forgerOf(cheat)));
    expect(names(side)).toContain("session");
    expect(names(side)).toContain("confirm-merchant");
  });

  it.each(Object.keys(FORGERIES))("refuses one that is %s", async (name) => {
    const forge = FORGERIES[name] as NonNullable<(typeof FORGERIES)[string]>;
    const before = toHex(await customer.device.agent.digest());
    let reason = 0;
    const { side } = await meet((cheat) => {
      const forgery = forge(forgerOf(cheat));
      ({ reason } = forgery);
      return forgery.chain;
    });
    expect(side.notices).toMatchObject([{ name: "aborted", reason, byPeer: false }]);
    expect(toHex(await customer.device.agent.digest())).toBe(before);
  });
});
