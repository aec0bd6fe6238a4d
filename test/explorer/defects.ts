/**
 * Defects of the firmware, made on purpose: whoever explores must notice each. They are edits of its sources, which only the
 * compilation of a binary of its own knows of (scripts/firmware/compile.ts): what ships cannot contain one.
 */

import type { SourceEdit } from "../../scripts/firmware/compile.js";
import type { Budget } from "./explore.js";
import type { Sort } from "./state.js";

/** Who has to notice. */
export type Check =
  | { readonly story: string; readonly budget: Budget; readonly used?: boolean }
  /** Tests that must fail. */
  | { readonly tests: string };

export interface Defect {
  readonly name: string;
  readonly edits: readonly SourceEdit[];
  readonly applets: readonly Sort[];
  readonly check: Check;
}

const NONE: Budget = { cuts: 0, messages: 0, deaths: 0 };
const CUT: Budget = { ...NONE, cuts: 1 };
const MESSAGE: Budget = { ...NONE, messages: 1 };
const DEATH: Budget = { ...NONE, deaths: 1 };

const MODULE: readonly Sort[] = ["module"];
const AGENT: readonly Sort[] = ["agent"];

function defect(
  name: string,
  path: string,
  find: string,
  replace: string,
  check: Check,
  applets: readonly Sort[] = MODULE,
): Defect {
  return { name, edits: [{ path: `firmware/${path}`, find, replace }], applets, check };
}

/** One that an attack finds. */
function attack(
  name: string,
  path: string,
  find: string,
  replace: string,
  file: string,
  applets: readonly Sort[] = MODULE,
): Defect {
  return defect(name, path, find, replace, { tests: `test/${file}.test.ts` }, applets);
}

export const DEFECTS: readonly Defect[] = [
  // Commit.
  defect(
    "payer commits in two writes",
    "money-module/commit.ts",
    "  if (status >= 0) status = pendingPut(index);\n  if (status >= 0) status = log(M.LOG_SENT, M.OUTCOME_COMMITTED);",
    "  if (status >= 0) status = storeCommit();\n  if (status >= 0) status = storeBegin(1024, 8);\n  if (status >= 0) status = pendingPut(index);\n  if (status >= 0) status = log(M.LOG_SENT, M.OUTCOME_COMMITTED);",
    { story: "payment", budget: CUT },
  ),
  defect(
    "payee settles in two writes",
    "money-module/commit.ts",
    "  if (status >= 0) status = forget ? pendingDelete(index) : pendingPut(index);",
    "  if (status >= 0) status = storeCommit();\n  if (status >= 0) status = storeBegin(1024, 8);\n  if (status >= 0) status = forget ? pendingDelete(index) : pendingPut(index);",
    { story: "payment", budget: CUT },
  ),
  defect(
    "payer shows its key before anything is stored",
    "money-module/module.ts",
    "  const status = commitPayer(t.pending);\n  if (status < 0) return status;\n  t.state = T.COMMITTED;",
    "  t.state = T.COMMITTED;",
    { story: "payment", budget: NONE },
  ),
  defect(
    "payer keeps a note that it paid with",
    "money-module/commit.ts",
    "    if (at != PLACE_FRESH) status = noteTake(at, pendingItemPart(i));",
    "    if (at != PLACE_FRESH && i > 0) status = noteTake(at, pendingItemPart(i));",
    { story: "payment", budget: NONE },
  ),
  defect(
    "payee says that it has settled, and has not",
    "money-module/module.ts",
    "  const status = settlePayee(t.pending, shown);",
    "  const status: i32 = 0;",
    { story: "payment", budget: NONE },
  ),
  defect(
    "generator does not count what it issues",
    "money-module/commit.ts",
    "  if (status >= 0 && elementRole() == ROLE_GENERATOR) {",
    "  if (status > 0 && elementRole() == ROLE_GENERATOR) {",
    { story: "issue", budget: NONE },
  ),
  defect(
    "sequence number of an offer is not burnt",
    "money-module/pending.ts",
    "  store<u64>(counterRecord, nextCounter + count, 1);",
    "  store<u64>(counterRecord, nextCounter + count - count, 1);",
    { story: "payment", budget: NONE },
  ),
  // What is kept until when.
  defect(
    "payer forgets a payment before the payee has confirmed",
    "money-module/commit.ts",
    "flags == (FLAG_CONFIRMED | FLAG_ACKNOWLEDGED));",
    "(flags & FLAG_ACKNOWLEDGED) != 0);",
    { story: "payment", budget: MESSAGE },
  ),
  defect(
    "payee tells its owner that a payment in doubt was aborted",
    "money-module/abort.ts",
    "  if (state == T.DOUBT || state == T.COMMITTED) return leave();",
    "  if (state == T.COMMITTED) return leave();",
    { story: "payment", budget: MESSAGE },
  ),
  defect(
    "payer tells its owner that what it has committed was aborted",
    "money-module/abort.ts",
    "  if (state == T.DOUBT || state == T.COMMITTED) return leave();",
    "  if (state == T.DOUBT) return leave();",
    { story: "payment", budget: MESSAGE },
  ),
  defect(
    "payee gives up notes in doubt when it starts",
    "money-module/abort.ts",
    "    if (!pendingLoad(i) || pendingState() != PENDING_DOUBT) continue;",
    "    if (!pendingLoad(i) || pendingState() != 99) continue;",
    { story: "payment", budget: CUT },
  ),
  defect(
    "offers outlive a loss of power",
    "money-module/abort.ts",
    "    const status = abortOffer(i);\n    if (status < 0) return status;\n  }\n  return dropProvisional();",
    "  }\n  return dropProvisional();",
    { story: "payment", budget: CUT },
  ),
  defect(
    "notes of a packet that was never complete stay",
    "money-module/abort.ts",
    "    if (status < 0) return status;\n  }\n  return dropProvisional();\n}\n\n/** Steps 1746-1748",
    "    if (status < 0) return status;\n  }\n  return 0;\n}\n\n/** Steps 1746-1748",
    { story: "payment", budget: CUT },
  ),
  defect(
    "payer says aborted of what it has committed",
    "money-module/outcome.ts",
    "  if (mine && pendingState() == PENDING_COMMITTED) {\n    const status = pendingKey(key);\n    if (status < 0) return status;\n    w.bytes(key, HASH_BYTES);\n    wipe(key, HASH_BYTES);\n    w.nil();\n    return 0;\n  }",
    "  if (mine && pendingState() == PENDING_COMMITTED) return writeAborted(w, id, askedLock);",
    { story: "withdrawal", budget: MESSAGE },
  ),
  // Store.
  defect(
    "store takes a commit entry whose MAC does not fit",
    "lib/store/mount.ts",
    "  const status = commitVerify(sequence, offset);\n  if (status <= 0) return status;",
    "  const status = commitVerify(sequence, offset);\n  if (status < 0) return status;",
    { story: "payment", budget: CUT },
  ),
  defect(
    "store programs torn words again",
    "lib/store/mount.ts",
    "    abandonRest();\n  }\n  return searchPagesAhead();",
    "  }\n  return searchPagesAhead();",
    { story: "payment", budget: CUT },
  ),
  defect(
    "the chip's counter does not follow the store",
    "lib/store/log.ts",
    "  if (!state.counterIsBehind) return 0;\n  const value = counterIncrement();",
    "  if (state.counterIsBehind < 2) return 0;\n  const value = counterIncrement();",
    { tests: "test/attacks/rolled-back-flash.test.ts" },
  ),
  defect(
    "what still counts is not moved before its page is given away",
    "lib/store/collect.ts",
    "  status = copyLive(state.tail % state.pages);",
    "  status = 0;",
    { story: "payment", budget: NONE, used: true },
  ),
  // Agents.
  defect(
    "agent takes doubt for an abort",
    "trusted-agent/settle.ts",
    "  if (outcome == OUTCOME_ABORTED) {",
    "  if (outcome != OUTCOME_COMMITTED) {",
    { story: "purchase", budget: DEATH },
    AGENT,
  ),
  defect(
    "agent keeps the receipt of a purchase that was aborted",
    "trusted-agent/commit.ts",
    "  if (!committed) return holderDelete(index);",
    "  if (!committed) return 0;",
    { story: "purchase", budget: CUT },
    AGENT,
  ),
  {
    name: "authority logs a credential only when its receiver has it",
    edits: [
      {
        path: "firmware/trusted-agent/create-credential.ts",
        find: "  const logged = logIssued();\n  if (logged < 0) return logged;\n",
        replace: "",
      },
      {
        path: "firmware/trusted-agent/create-credential.ts",
        find: "  const w = noticeBegin(NOTICE_ISSUED, 4);",
        replace:
          "  const logged = logIssued();\n  if (logged < 0) return logged;\n  const w = noticeBegin(NOTICE_ISSUED, 4);",
      },
    ],
    applets: AGENT,
    check: { story: "acquisition", budget: CUT },
  },
  // What only an attacker notices.
  attack(
    "signatures of transfers are not looked at",
    "money-module/note-verify.ts",
    "  return coseVerify(SIGNED_TRANSFER, t.record, t.recordLength, certificate.signatureKey);",
    "  return 0;",
    "attacks/altered-notes",
  ),
  attack(
    "records of a note need not follow each other",
    "money-module/note-verify.ts",
    "    if (!equal(hash, t.before, HASH_BYTES)) return -REASON_NOTE_INVALID;\n",
    "",
    "attacks/altered-notes",
  ),
  attack(
    "a transfer that was never opened counts",
    "money-module/note-verify.ts",
    "  if (t.key == 0) return -REASON_NOTE_INVALID;\n",
    "  if (t.key == 0) return 0;\n",
    "attacks/aborted-transfer-presented",
  ),
  attack(
    "a key need not open its lock",
    "money-module/note-verify.ts",
    "  return equal(hash, t.lock, HASH_BYTES) ? 0 : -REASON_NOTE_INVALID;",
    "  return 0;",
    "attacks/aborted-transfer-presented",
  ),
  attack(
    "a note may be for somebody else",
    "money-module/note-verify.ts",
    "  return equal(lastTransfer(view).transferee, elementId(), ID_BYTES) ? 0 : -REASON_NOTE_INVALID;",
    "  return 0;",
    "money-module/notes",
  ),
  attack(
    "parts of a note may be worth more than the whole",
    "money-module/note-tree.ts",
    "    if (sum > whole) return -REASON_DUPLICATE;\n",
    "",
    "money-module/note-tree",
  ),
  attack(
    "final redemption is not looked at",
    "money-module/note-verify.ts",
    "clockNow() >= view.finalRedemption",
    "clockNow() == 0",
    "attacks/final-redemption",
  ),
  attack(
    "a note is taken that cannot be passed on",
    "money-module/receive-notes.ts",
    "  if (status == 0 && elementRole() != ROLE_TELLER && !canGrow(view)) status = -REASON_HOP_LIMIT;\n",
    "",
    "attacks/note-that-cannot-grow",
  ),
  attack(
    "whoever is listed is dealt with",
    "lib/establish.ts",
    "  const listed = peerListed();",
    "  const listed: i32 = 0;",
    "money-module/bad-id-list",
  ),
  attack(
    "any role may meet any other",
    "lib/establish.ts",
    "  if (!mayMeet(a, b, purpose)) return -REASON_WRONG_ROLE;\n",
    "",
    "money-module/inputs",
  ),
  attack(
    "the session's key need not be the certificate's",
    "lib/establish.ts",
    "  if (!equal(sessionRemoteStatic(peer), peerCertificate.agreementKey, KEY_BYTES)) return -REASON_KEY_MISMATCH;\n",
    "",
    "money-module/inputs",
  ),
  attack(
    "a PIN is compared before the try is counted",
    "lib/pin.ts",
    "  if (writeRecord(reference, record, RECORD_BYTES) < 0) return SW_MEMORY_FAILURE;\n  if (!derive",
    "  if (!derive",
    "attacks/pin-guessing",
  ),
  attack(
    "an older image of the flash starts",
    "lib/store/mount.ts",
    "  if (<u32>counter + 1 != state.number) return -REASON_ROLLED_BACK;",
    "  if (<u32>counter + 1 != state.number) return 0;",
    "attacks/rolled-back-flash",
  ),
  attack(
    "a host may have a module forget what its agent has not stored",
    "money-module/commit.ts",
    "  if (((pendingFlags() & FLAG_AGENT) != 0) != byAgent) return -REASON_UNEXPECTED;\n",
    "",
    "attacks/forget-behind-agent",
  ),
  attack(
    "a payer says aborted of what it paid long ago",
    "money-module/outcome.ts",
    "  if (sent == 0) return writeAborted(w, id, askedLock);",
    "  if (sent >= 0) return writeAborted(w, id, askedLock);",
    "attacks/aborted-after-confirmed",
  ),
  attack(
    "an approval may be of another amount",
    "trusted-agent/approval.ts",
    "    approval.authorization == receipt.authorization &&\n",
    "",
    "attacks/lying-receipt",
    AGENT,
  ),
  {
    name: "an older bad-id list is taken",
    edits: [
      { path: "firmware/lib/bad-ids.ts", find: "  if (newVersion <= version) return 0;\n", replace: "" },
      {
        path: "firmware/lib/bad-ids.ts",
        find: "  return reader.uint() > version && reader.failed == 0;",
        replace: "  return reader.uint() != version && reader.failed == 0;",
      },
    ],
    applets: MODULE,
    check: { tests: "test/money-module/bad-id-list.test.ts" },
  },
  attack(
    "expiry is not looked at",
    "money-module/note-verify.ts",
    "  if (now >= view.expiry) return -REASON_NOTE_EXPIRED;\n",
    "",
    "money-module/notes",
  ),
  attack(
    "a key need not be the one that the payee has in doubt",
    "money-module/commit.ts",
    "  const fits = equalConstantTime(hash, pendingLock(), HASH_BYTES);",
    "  const fits = true;",
    "money-module/messages",
  ),
  attack(
    "a lock opens without the payment that it is of",
    "money-module/commit.ts",
    "  if (pendingNoteKey(shown, key) < 0",
    "  sha256(shown, HASH_BYTES, hash, HASH_BYTES);\n  if (equalConstantTime(hash, pendingLock(), HASH_BYTES)) {\n    memory.copy(key, shown, HASH_BYTES);\n    return true;\n  }\n  if (pendingNoteKey(shown, key) < 0",
    "attacks/framed-wallet",
  ),
  attack(
    "whatever a payer sends proves that it aborted",
    "money-module/outcome.ts",
    "  if (aborted == 0 || !isProof(aborted, length, id)) return 0;",
    "  if (aborted == 0) return 0;",
    "attacks/false-abort",
  ),
  attack(
    "an agent agrees to whatever its module is paid",
    "trusted-agent/payment.ts",
    "  const correct = amount == t.amount && currency == t.currency && exponent == t.exponent;",
    "  const correct = currency == t.currency && exponent == t.exponent;",
    "attacks/two-amounts",
    AGENT,
  ),
];
