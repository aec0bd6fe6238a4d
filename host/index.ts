/**
 * Tallystick as a library: what `import ... from "tallystick"` gives.
 *
 * - a wallet, from its home: `openWallet`, `Wallet`, `Reception`; a merchant, a bank, a card network to serve: `serveMerchant`,
 *   `serveBank`, `serveNetwork`. They tell what happens by typed events (`WalletEvents`, `ReceptionEvents`, ...);
 * - where cards are, readers, USB devices, serial lines: `allPlaces`, `findPlace`, `openCard`; "device" of `openWallet`'s options names one;
 * - what is under them: chips and devices (`Element`, `Device`, `ChipFactory`, `personalise`, `pair`), and what is done with
 *   them (`pay`, `receive`, `buy`, `sell`, `Merchant`, `TellerService`, ...), over a link of one's own;
 * - token halves (docs/TOKENS.md): to sell, `openSeller`, `serveSeller`, or `paywall` before a server of one's own; to buy, `payingFetch`
 *   with a `CardPurse` or a `StorageCard`;
 * - a whole sandbox economy in one process: `createWorld`, `World`, `audit`.
 */

export { type Agencies, Agency, type AgencySecrets, newAgencies, RequestRefusedError } from "./agencies.js";
export { ApduClient, type Command, decodeCommand, encodeCommand, type Response } from "./apdu.js";
export { type Acquired, acquire } from "./applications/acquire.js";
export { createOwnCredential, type Grant, type GrantDecision, issueCredential } from "./applications/authority.js";
export { buy, type CustomerPrompts, type CustomerResult, TradeAbortedError } from "./applications/buy.js";
export { type Deal, type DealSides, deal, meet } from "./applications/deal.js";
export { deposit } from "./applications/deposit.js";
export {
  Merchant,
  type MerchantEvent,
  type MerchantParts,
  type ServeResult,
  type Terms,
} from "./applications/merchant.js";
export { type PayOptions, pay, payRequested } from "./applications/pay.js";
export { receive, request } from "./applications/receive.js";
export {
  isDue,
  RefreshBrokenOffError,
  type Refreshed,
  type RefreshOptions,
  refresh,
} from "./applications/refresh.js";
export { answerResume, resume, type Settlement, settleAgent } from "./applications/resume.js";
export { sell } from "./applications/sell.js";
export { NoMerchantError, shop } from "./applications/shop.js";
export { type Decision, type Prompt, type Transfer, TransferInDoubtError } from "./applications/transfer.js";
export { type BankConnection, REFRESH_MEMO, withdraw } from "./applications/withdraw.js";
export { type AllPlaces, allPlaces } from "./cards/all-places.js";
export { type OpenCard, openCard } from "./cards/card-elements.js";
export { ChipsNotFoundError, findPlace, OtherChipsError } from "./cards/find.js";
export { PcscPlaces, type PcscPlacesParts } from "./cards/pcsc-places.js";
export type { CardPlace, CardPlaces, PlaceEvent, PlaceState } from "./cards/place.js";
export { UsbPlaces, type UsbPlacesParts } from "./cards/usb-places.js";
export { ChipFactory, type ChipParts, type SimulatedChip } from "./chips.js";
export { fromHex, toHex } from "./codec/bytes.js";
export { type LineOptions, openLine } from "./communications/client.js";
export { type Direction, type Lossiness, lossy, Partition } from "./communications/disturbances.js";
export { LineAddressError, LineLostError, LineOpenError } from "./communications/errors.js";
export { type Disturbance, inProcessLink, type MessageFate } from "./communications/in-process.js";
export { Line, type LineLimits } from "./communications/line.js";
export type { PeerLink } from "./communications/link.js";
export { LineServer, type LineServerEvent, type LineServerOptions } from "./communications/server.js";
export { Conversation, Device, DeviceBusyError, type DeviceParts, LinkClosedError } from "./device.js";
export { Element } from "./element.js";
export type {
  Balance,
  Counters,
  Information,
  LogEntry,
  NoteSummary,
  Pending,
  Rests,
  SpendingLimit,
  SpendingState,
  TicketSummary,
} from "./element-data.js";
export { checkFraudProof, type Verdict } from "./fraud-verifier.js";
export { type CarriedEnvelope, ElementMissingError, type ElementSort, MessageManager } from "./message-manager.js";
export type { CardOffer, Notice, NoticeName, NoticeOf, ReceiptFields } from "./notices.js";
export {
  encodePaymentRequest,
  type PaymentRequest,
  PaymentRequestError,
  parsePaymentRequest,
  qrText,
} from "./payment-request.js";
export {
  ChipTakenError,
  type ContinuedOrder,
  continuePersonalisation,
  finishPersonalisation,
  newRecord,
  openPersonalisation,
  type PersonalisationOrder,
  type PersonalisationProgress,
  type PersonalisationRecord,
  pair,
  personalise,
} from "./provision.js";
export { type RandomSource, systemRandom } from "./randomness.js";
export { ReasonError, reasonSentence } from "./reasons.js";
export { BankServer, type BankServerEvents, type ServerPlace } from "./servers/bank-server.js";
export { DirectoryServer } from "./servers/directory-server.js";
export { MerchantServer, type MerchantServerEvents } from "./servers/merchant-server.js";
export { BadIdList } from "./services/bad-id-list.js";
export { BankBooks } from "./services/bank-books.js";
export { type Clock, systemClock, systemTimers, type Timers } from "./services/clock.js";
export { Directory, type Offer, type Quote } from "./services/directory.js";
export { Outbox, type OutboxEntry } from "./services/outbox.js";
export { type Finding, Reconciliation, type ReturnedNote } from "./services/reconciliation.js";
export { TellerService } from "./services/teller.js";
export { StatusWordError, statusSentence } from "./status-words.js";
export { CardPurse, type FoundTokenPurse, type TokenPurse } from "./tokens/buyer/buyer.js";
export { PurseCard } from "./tokens/buyer/card.js";
export { SoftwareIdentity } from "./tokens/buyer/software-identity.js";
export { StorageCard, StorageCardError } from "./tokens/buyer/storage-card.js";
export { TokenError, type TokenErrorCode } from "./tokens/errors.js";
export { Deliveries } from "./tokens/http/deliveries.js";
export { MintClient } from "./tokens/http/mint-client.js";
export { type PayingOptions, payingFetch } from "./tokens/http/paying-client.js";
export {
  type Middleware,
  type Offer as TokenOffer,
  type PaywallOptions,
  paymentOf,
  paywall,
} from "./tokens/http/paywall.js";
export { SellerServer, type SellerServerOptions, serveSeller } from "./tokens/http/serve-seller.js";
export { type FileSeller, openSeller, SellerInUseError } from "./tokens/seller/open-seller.js";
export {
  type Accepted,
  Seller,
  type SellerBalance,
  type SellerOptions,
  type SellerPurseSummary,
} from "./tokens/seller/seller.js";
export { type Transport, TransportError } from "./transport.js";
export {
  CardAbsentError,
  CardFaultError,
  CardInUseError,
  CardLibraryMissingError,
  CardMuteError,
  CardRemovedError,
  CardResetError,
  CardServiceLostError,
  CardServiceMissingError,
  CardsUnavailableError,
  CardTimeoutError,
  CardUnusableError,
  ForeignCardError,
  ReaderLostError,
  ReaderMissingError,
} from "./transports/card-errors.js";
export {
  CommandCancelledError,
  UsbForbiddenError,
  UsbGoneError,
  UsbInUseError,
  UsbMuteError,
  UsbProtocolError,
  UsbRefusedError,
  UsbSessionLostError,
  UsbUnavailableError,
} from "./transports/hid-errors.js";
export { SimulatorTransport } from "./transports/simulator.js";
export {
  AmountError,
  formatDecimal,
  formatMoney,
  type Money,
  parseDecimal,
  parseMoney,
  type Unit,
  unitOf,
} from "./units.js";
export { Contacts } from "./wallet/contacts.js";
export type { Contact, Counterparties, Meeting } from "./wallet/counterparties.js";
export { Reception, ReceptionClosedError, type ReceptionEvents, type ReceptionOptions } from "./wallet/reception.js";
export { RemoteCounterparties } from "./wallet/remote-counterparties.js";
export {
  agreeAsQuoted,
  type HistoryEntry,
  isAsQuoted,
  type OpenTransaction,
  OutcomeUnknownError,
  RequestMismatchError,
  type ResumeResult,
  type Trade,
  type TradePrompts,
  Wallet,
  type WalletEvents,
  type WalletParts,
} from "./wallet/wallet.js";
export { type AuditedBooks, type AuditLine, audit } from "./world/audit.js";
export { type Announcement, type Part, PartInUseError } from "./world/claims.js";
export { type DemoResult, type DemoStep, runDemo } from "./world/demo.js";
export {
  defaultHomePath,
  FolderHome,
  type Home,
  HomeForbiddenError,
  HomeLockedError,
  MemoryHome,
} from "./world/home.js";
export { createWorld } from "./world/init.js";
export { type Joined, type JoinOrder, joinSite } from "./world/join.js";
export { JoinBrokenOffError } from "./world/join-errors.js";
export { STANDARD_PLAN, type WorldPlan } from "./world/plan.js";
export { type Served, serveBank, serveMerchant, serveNetwork } from "./world/serve.js";
export { type ServedMint, serveMint } from "./world/serve-mint.js";
export { type OpenPurse, openPurse, openShop, type Shop } from "./world/shop.js";
export { Site, type WorldParts } from "./world/site.js";
export { HomeTokens } from "./world/tokens.js";
export type { Trader } from "./world/trader.js";
export { type OpenWalletOptions, openWallet, partsIn } from "./world/wallet.js";
export { type Customer, World } from "./world/world.js";
