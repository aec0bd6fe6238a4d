/**
 * A note carries at most NOTE_ISSUERS_MAX security servers. Whoever takes one that is full, and is certified by yet another
 * server, could never pass it on, to anybody, a bank's teller included: money that can be held and not spent.
 */

import { expect, it } from "vitest";
import { ROLE_GENERATOR, ROLE_TELLER, ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import { HOPS_MAX, NOTE_ISSUERS_MAX } from "../../firmware/protocol/limits.js";
import { REASON_HOP_LIMIT } from "../../firmware/protocol/reasons.js";
import { Agency, newAgencies } from "../../host/agencies.js";
import { mintNote } from "../../host/codec/note.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { CheatingModule } from "../support/cheating-module.js";
import { NOW, NoteCheats, VALUE } from "../support/cheating-notes.js";
import type { ModuleDevice } from "../support/modules.js";

const SEED = "note that cannot grow";

/** Security servers beside the one of the world, under the same root. */
function otherAgencies(): Agency[] {
  const { modules } = newAgencies(new SeededRandomness(sodiumCryptography, SEED), NOW);
  return Array.from({ length: NOTE_ISSUERS_MAX }, (_, n) => {
    const secret = (length: number) => `${n + 1}${n + 2}`.repeat(length);
    return new Agency({ ...modules, serverId: secret(16), serverSeed: secret(32), serverAgreement: secret(32) });
  });
}

async function stage() {
  const cheats = await NoteCheats.create(SEED);
  const modules = otherAgencies().map(
    (agency, n) =>
      new CheatingModule({
        agency,
        random: cheats.world.random,
        now_seconds: NOW,
        role: [ROLE_GENERATOR, ROLE_TELLER, ROLE_TRANSACTION][n] ?? ROLE_TRANSACTION,
      }),
  );
  const [generator, teller, payer] = modules as [CheatingModule, CheatingModule, CheatingModule];
  /** From a generator over a teller to the payer, who offers it. */
  const offered = (victim: ModuleDevice, middle: CheatingModule) => {
    const steps = [
      { by: generator, to: middle.id },
      { by: middle, to: payer.id },
      { by: payer, to: victim.element.id },
    ];
    return cheats.along(mintNote(cheats.draft(), generator.noteSigner), steps);
  };
  Object.assign(cheats, { cheat: payer });
  return { cheats, teller, offered };
}

it("a subscriber refuses it", async () => {
  const { cheats, teller, offered } = await stage();
  const { parts } = offered(cheats.alice, teller);
  expect(parts.servers).toHaveLength(NOTE_ISSUERS_MAX);
  await cheats.refuses(cheats.alice, [parts], VALUE, REASON_HOP_LIMIT);
});

it("a subscriber takes one with room for its own, and passes it on", async () => {
  const { cheats, offered } = await stage();
  const { parts, key } = offered(cheats.alice, cheats.teller);
  await cheats.takes(cheats.alice, parts, VALUE, key);
  await cheats.spendAll(cheats.alice, cheats.friend);
  expect(await cheats.alice.element.notes()).toEqual([]);
});

it("a teller takes it, and keeps it for redemption", async () => {
  const { cheats, teller, offered } = await stage();
  const { parts, key } = offered(cheats.bank, teller);
  await cheats.takes(cheats.bank, parts, VALUE, key);
  expect((await cheats.bank.element.notes())[0]).toMatchObject({ hops: HOPS_MAX });
});
