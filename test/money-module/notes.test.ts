/**
 * Notes that must be refused: a payer with genuine certificates and every key in its hands offers them to the release
 * firmware. WO 96/41315 fig. 20, steps 1576-1596; docs/PROTOCOLS.md, section 4.
 */

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ROLE_GENERATOR, SIGNED_NOTE_BODY } from "../../firmware/protocol/kinds.js";
import { HOPS_MAX } from "../../firmware/protocol/limits.js";
import * as r from "../../firmware/protocol/reasons.js";
import { concatBytes } from "../../host/codec/bytes.js";
import { encode } from "../../host/codec/cbor.js";
import { sign1 } from "../../host/codec/cose.js";
import { encodeNote, mintNote, type NoteParts, showKey } from "../../host/codec/note.js";
import { sha256 } from "../../host/crypto.js";
import { unitOf } from "../../host/units.js";
import { abortReason, CheatingModule } from "../support/cheating-module.js";
import { DAY, forged, NOW, NoteCheats, USD, usd, VALUE, withEntry } from "../support/cheating-notes.js";
import { type ModuleDevice, ModuleWorld } from "../support/modules.js";

let cheats: NoteCheats;
let alice: ModuleDevice;
let bank: ModuleDevice;

beforeAll(async () => {
  cheats = await NoteCheats.create("notes");
  ({ alice, bank } = cheats);
});

beforeEach(() => cheats.restore());

test("an honest note of the same making is taken, by a subscriber and by a teller", async () => {
  for (const victim of [alice, bank]) {
    const { parts, key } = cheats.offered(victim);
    await cheats.takes(victim, parts, VALUE, key);
  }
});

describe("one note, refused for its own reason, and the store as before", () => {
  const forgeries: readonly (readonly [string, number, (victim: ModuleDevice) => NoteParts])[] = [
    [
      "amount of a record altered after it was signed",
      r.REASON_BAD_SIGNATURE,
      (victim) => {
        const mine = cheats.held();
        const small = cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: victim.element.id, amount: 6_000n });
        const { record } = small.parts.entries.at(-1) as { record: Uint8Array };
        const at = record.findIndex((_, i) => record[i] === 0x19 && record[i + 1] === 0x17 && record[i + 2] === 0x70);
        const altered = record.slice();
        altered.set([0x27, 0x10], at + 1);
        return withEntry(small.parts, 2, { record: altered });
      },
    ],
    [
      "record moves more than the one before",
      r.REASON_NOTE_INVALID,
      (victim) => {
        const mine = cheats.along(mintNote(cheats.draft(), cheats.generator.noteSigner), [
          { by: cheats.generator, to: cheats.teller.id },
          { by: cheats.teller, to: cheats.cheat.id, amount: VALUE - 1n },
        ]);
        return cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: victim.element.id, amount: VALUE }).parts;
      },
    ],
    ["a record of nothing", r.REASON_NOTE_INVALID, (victim) => cheats.offered(victim, { amount: 0n }).parts],
    [
      "history with a record left out",
      r.REASON_NOTE_INVALID,
      (victim) => {
        const whole = cheats.offered(victim).parts;
        return { ...whole, entries: whole.entries.filter((_, at) => at !== 1) };
      },
    ],
    [
      "history of another note",
      r.REASON_NOTE_INVALID,
      (victim) => ({ ...cheats.offered(victim).parts, signedBody: cheats.held().parts.signedBody }),
    ],
    [
      "a body of the cheat's own, worth more",
      r.REASON_BAD_SIGNATURE,
      (victim) => {
        const mine = cheats.along(cheats.ownBody({ value: 2n * VALUE }), [
          { by: cheats.generator, to: cheats.teller.id },
          { by: cheats.teller, to: cheats.cheat.id },
        ]);
        return cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: victim.element.id }).parts;
      },
    ],
    [
      "a body of the cheat's own, valid for longer",
      r.REASON_BAD_SIGNATURE,
      (victim) => {
        const mine = cheats.along(cheats.ownBody({ expiry: NOW + 50 * DAY }), [
          { by: cheats.generator, to: cheats.teller.id },
          { by: cheats.teller, to: cheats.cheat.id },
        ]);
        return cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: victim.element.id }).parts;
      },
    ],
    [
      "body signature",
      r.REASON_BAD_SIGNATURE,
      (victim) => {
        const minted = mintNote(cheats.draft(), cheats.generator.noteSigner);
        const mine = cheats.along({ ...minted, signedBody: forged(minted.signedBody) }, [
          { by: cheats.generator, to: cheats.teller.id },
          { by: cheats.teller, to: cheats.cheat.id },
        ]);
        return cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: victim.element.id }).parts;
      },
    ],
    [
      "signature of an earlier record",
      r.REASON_BAD_SIGNATURE,
      (victim) => {
        const mine = cheats.held();
        const { record } = mine.parts.entries[1] as { record: Uint8Array };
        const altered = withEntry(mine.parts, 1, { record: forged(record) });
        return cheats.pass(altered, mine.key, { by: cheats.cheat, to: victim.element.id }).parts;
      },
    ],
    [
      "signature of the last record",
      r.REASON_BAD_SIGNATURE,
      (victim) => {
        const { parts } = cheats.offered(victim);
        const { record } = parts.entries[2] as { record: Uint8Array };
        return withEntry(parts, 2, { record: forged(record) });
      },
    ],
    [
      "a record signed as another kind of object",
      r.REASON_BAD_SIGNATURE,
      (victim) => {
        const mine = cheats.held();
        const { record } = mine.parts.entries[1] as { record: Uint8Array };
        const fields = [1, sha256(record), victim.element.id, 1, VALUE, NOW, sha256(new Uint8Array(32))];
        const wrong = sign1(SIGNED_NOTE_BODY, encode(fields), cheats.cheat.signer);
        const shown = showKey(mine.parts, mine.key);
        const { certificate } = cheats.cheat.noteSigner;
        return { ...shown, entries: [...shown.entries, { record: wrong, certificate, key: null }] };
      },
    ],
    [
      "wrong key of an earlier record",
      r.REASON_NOTE_INVALID,
      (victim) => withEntry(cheats.offered(victim).parts, 1, { key: new Uint8Array(32).fill(7) }),
    ],
    [
      "key of an earlier record missing",
      r.REASON_NOTE_INVALID,
      (victim) => withEntry(cheats.offered(victim).parts, 1, { key: null }),
    ],
    [
      "key of the generator's record missing",
      r.REASON_NOTE_INVALID,
      (victim) => withEntry(cheats.offered(victim).parts, 0, { key: null }),
    ],
    [
      "key of the record on offer shown",
      r.REASON_NOTE_INVALID,
      (victim) => {
        const { parts, key } = cheats.offered(victim);
        return showKey(parts, key);
      },
    ],
    [
      "for somebody else",
      r.REASON_NOTE_INVALID,
      (victim) => {
        const mine = cheats.held();
        const other = victim === alice ? bank : alice;
        return cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: other.element.id }).parts;
      },
    ],
    [
      "of a payer who is not the one in the session",
      r.REASON_NOTE_INVALID,
      (victim) => {
        const mine = cheats.along(mintNote(cheats.draft(), cheats.generator.noteSigner), [
          { by: cheats.generator, to: cheats.teller.id },
          { by: cheats.teller, to: cheats.friend.id },
        ]);
        return cheats.pass(mine.parts, mine.key, { by: cheats.friend, to: victim.element.id }).parts;
      },
    ],
    [
      "certificate of another module beside a record",
      r.REASON_NOTE_INVALID,
      (victim) => withEntry(cheats.offered(victim).parts, 1, { certificate: cheats.friend.noteSigner.certificate }),
    ],
    [
      "certificate missing beside a record",
      r.REASON_NOTE_INVALID,
      (victim) => withEntry(cheats.offered(victim).parts, 1, { certificate: null }),
    ],
    [
      "another generator's certificate",
      r.REASON_NOTE_INVALID,
      (victim) => ({
        ...cheats.offered(victim).parts,
        generatorCertificate: cheats.cheater(ROLE_GENERATOR).noteSigner.certificate,
      }),
    ],
    [
      "no security server for its certificates",
      r.REASON_FOREIGN_CERTIFICATE,
      (victim) => {
        const foreign = new ModuleWorld("another world").agencies.modules;
        const forger = new CheatingModule({
          agency: foreign,
          random: cheats.world.random,
          now_seconds: NOW,
          role: ROLE_GENERATOR,
        });
        const mine = cheats.along(mintNote(cheats.draft(), forger.noteSigner), [
          { by: forger, to: cheats.teller.id },
          { by: cheats.teller, to: cheats.cheat.id },
        ]);
        return cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: victim.element.id }).parts;
      },
    ],
    [
      "an agent's certificate where a module's belongs",
      r.REASON_FOREIGN_CERTIFICATE,
      (victim) => {
        const agent = new CheatingModule({
          agency: cheats.world.agencies.agents,
          random: cheats.world.random,
          now_seconds: NOW,
          role: 1,
        });
        const mine = cheats.along(mintNote(cheats.draft(), cheats.generator.noteSigner), [
          { by: cheats.generator, to: agent.id },
          { by: agent, to: cheats.cheat.id },
        ]);
        return cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: victim.element.id }).parts;
      },
    ],
    [
      "made by a module without the role of a generator",
      r.REASON_WRONG_ROLE,
      (victim) => {
        const mine = cheats.along(mintNote(cheats.draft(), cheats.teller.noteSigner), [
          { by: cheats.teller, to: cheats.cheat.id },
        ]);
        return cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: victim.element.id }).parts;
      },
    ],
    [
      "moved by a generator a second time",
      r.REASON_WRONG_ROLE,
      (victim) => {
        const second = cheats.cheater(ROLE_GENERATOR);
        const mine = cheats.along(mintNote(cheats.draft(), cheats.generator.noteSigner), [
          { by: cheats.generator, to: second.id },
          { by: second, to: cheats.cheat.id },
        ]);
        return cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: victim.element.id }).parts;
      },
    ],
    [
      "a certificate that was not valid yet on the date of its record",
      r.REASON_CERTIFICATE_NOT_YET_VALID,
      (victim) => cheats.offered(victim, { date: NOW - DAY }).parts,
    ],
    [
      "a body of a date when its generator's certificate was not valid yet",
      r.REASON_CERTIFICATE_NOT_YET_VALID,
      (victim) => cheats.offered(victim, {}, { issued: NOW - 6 * 365 * DAY }).parts,
    ],
    [
      "a record of a date when its note was not there yet",
      r.REASON_NOTE_INVALID,
      (victim) => cheats.offered(victim, { date: NOW - 2 * DAY }).parts,
    ],
    [
      "a record of a date that has not come yet",
      r.REASON_NOTE_INVALID,
      (victim) => cheats.offered(victim, { date: NOW + 2 * DAY }).parts,
    ],
    [
      "a body of a date that has not come yet: its taker's clock would be set ahead",
      r.REASON_NOTE_INVALID,
      (victim) => cheats.offered(victim, {}, { issued: NOW + 2 * DAY }).parts,
    ],
    [
      "a record without date, which would fit any certificate",
      r.REASON_NOTE_INVALID,
      (victim) => cheats.offered(victim, { date: 0 }).parts,
    ],
    ["a body without date", r.REASON_NOTE_INVALID, (victim) => cheats.offered(victim, {}, { issued: 0 }).parts],
    [
      "a body that expires before it was made",
      r.REASON_NOTE_INVALID,
      (victim) => cheats.offered(victim, {}, { expiry: NOW - 1, finalRedemption: NOW + DAY }).parts,
    ],
    ["of an unknown type", r.REASON_NOTE_INVALID, (victim) => cheats.offered(victim, {}, { type: 2 }).parts],
    [
      "of another currency than was agreed",
      r.REASON_UNKNOWN_UNIT,
      (victim) => cheats.offered(victim, {}, { unit: unitOf("EUR") }).parts,
    ],
    [
      "of another exponent than was agreed",
      r.REASON_UNKNOWN_UNIT,
      (victim) => cheats.offered(victim, {}, { unit: { ...USD, exponent: 0 } }).parts,
    ],
    ["no record at all", r.REASON_NOTE_INVALID, () => mintNote(cheats.draft(), cheats.generator.noteSigner)],
    ["more records than there may ever be", r.REASON_HOP_LIMIT, (victim) => cheats.walked(victim, HOPS_MAX + 1).parts],
  ];

  test.each(forgeries)("%s (%i)", async (_name, reason, build) => {
    for (const victim of [alice, bank]) await cheats.refuses(victim, [build(victim)], VALUE, reason);
  });

  test("garbage for a note, and a note with bytes behind it", async () => {
    const good = encodeNote(cheats.offered(alice).parts);
    for (const bytes of [
      Uint8Array.of(0),
      Uint8Array.of(0x80),
      concatBytes(good, Uint8Array.of(0)),
      good.subarray(0, 900),
    ]) {
      const before = await cheats.state(alice);
      const session = await cheats.agreed(alice, usd(VALUE));
      expect(abortReason(await session.note(0, 1, bytes))).toBe(r.REASON_MALFORMED);
      expect(await cheats.state(alice)).toEqual(before);
    }
  });
});

describe("what only a teller takes (1584-1592)", () => {
  test("a note at the hop limit", async () => {
    await cheats.refuses(alice, [cheats.walked(alice, HOPS_MAX).parts], VALUE, r.REASON_HOP_LIMIT);
    const { parts, key } = cheats.walked(bank, HOPS_MAX);
    await cheats.takes(bank, parts, VALUE, key);
    const last = cheats.walked(alice, HOPS_MAX - 1);
    await cheats.takes(alice, last.parts, VALUE, last.key);
  });

  test("an expired note", async () => {
    const dates = { issued: NOW - 20 * DAY, expiry: NOW, finalRedemption: NOW + DAY };
    const old = new CheatingModule({
      agency: cheats.world.agencies.modules,
      random: cheats.world.random,
      now_seconds: NOW,
      role: ROLE_GENERATOR,
    });
    const make = (victim: ModuleDevice) => {
      const mine = cheats.along(mintNote(cheats.draft({ ...dates, issued: NOW - 1 }), old.noteSigner), [
        { by: old, to: cheats.teller.id },
        { by: cheats.teller, to: cheats.cheat.id },
      ]);
      return cheats.pass(mine.parts, mine.key, { by: cheats.cheat, to: victim.element.id });
    };
    // The generator's certificate begins now, so a body from before is refused for that; the date of issue is now.
    await cheats.refuses(bank, [make(bank).parts], VALUE, r.REASON_CERTIFICATE_NOT_YET_VALID);
    const expiring = (victim: ModuleDevice) =>
      cheats.offered(victim, {}, { issued: NOW, expiry: NOW + DAY, finalRedemption: NOW + 2 * DAY });
    const [forAlice, forBank] = [expiring(alice), expiring(bank)];
    for (const victim of [alice, bank]) await victim.element.open(BigInt(NOW + DAY));
    await cheats.refuses(alice, [forAlice.parts], VALUE, r.REASON_NOTE_EXPIRED);
    await cheats.takes(bank, forBank.parts, VALUE, forBank.key);
  });

  test("a note with a listed ancestor", async () => {
    for (const listed of [cheats.generator, cheats.teller]) {
      cheats.restore();
      const list = cheats.world.agencies.modules.badIdList(7n, NOW, [[listed.id, 1]]);
      for (const victim of [alice, bank]) await victim.element.putList(list);
      await cheats.refuses(alice, [cheats.offered(alice).parts], VALUE, r.REASON_BAD_ID);
      const { parts, key } = cheats.offered(bank);
      await cheats.takes(bank, parts, VALUE, key);
    }
  });
});
