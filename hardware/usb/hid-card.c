#include "hid-card.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "card/card.h"
#include "framing.h"
#include "platform/bytes.h"

/* Between two looks at the time when nothing happens: keepalives are due every TALLYSTICK_USB_KEEPALIVE_INTERVAL_MS. */
#define WAIT_MS 20
#define NS_PER_MS 1000000
#define NS_PER_S 1000000000
/* Reports that came while the framing was busy; USB brings one a millisecond. */
#define INCOMING_MAX 16
/* The framing takes them in far less, unless the host fetches nothing: then its USB stack has to get on with that first. */
#define ROOM_WAIT_MS 100

enum card_state { CARD_RESTS, CARD_ASKED, CARD_WORKS, CARD_DONE };

/* What threads share, under the mutex. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
/* Something has changed for the framing's thread; something is asked of the card's. */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_cond_t asked = PTHREAD_COND_INITIALIZER;
/* There is room for a report. */
static pthread_cond_t roomy = PTHREAD_COND_INITIALIZER;
static struct {
  bool is_changed;
  bool is_reset;
  bool is_over;
  uint8_t incoming[INCOMING_MAX][TALLYSTICK_USB_REPORT_BYTES];
  uint32_t first_incoming;
  uint32_t incoming_count;
  enum card_state card;
  /* Of what the card is asked: to lose power first, and to carry out a command of so many bytes, or none. */
  bool is_restart;
  bool is_command;
  uint32_t command_bytes;
  uint32_t answer_bytes;
} shared;

static void enter(void) {
  if (pthread_mutex_lock(&mutex) != 0) hid_stop();
}

static void leave(void) {
  if (pthread_mutex_unlock(&mutex) != 0) hid_stop();
}

/* With the mutex. */
static void say_changed(void) {
  shared.is_changed = true;
  if (pthread_cond_signal(&changed) != 0) hid_stop();
}

static struct timespec after_ms(uint32_t wait_ms) {
  struct timespec until;
  if (clock_gettime(CLOCK_REALTIME, &until) != 0) hid_stop();
  until.tv_nsec += (long)wait_ms * NS_PER_MS;
  if (until.tv_nsec >= NS_PER_S) {
    until.tv_nsec -= NS_PER_S;
    until.tv_sec++;
  }
  return until;
}

void hid_card_take(const uint8_t *report, size_t length) {
  if (length != TALLYSTICK_USB_REPORT_BYTES) return;
  struct timespec until = after_ms(ROOM_WAIT_MS);
  enter();
  while (shared.incoming_count == INCOMING_MAX && pthread_cond_timedwait(&roomy, &mutex, &until) == 0) continue;
  if (shared.incoming_count < INCOMING_MAX) {
    uint32_t place = (shared.first_incoming + shared.incoming_count) % INCOMING_MAX;
    memcpy(shared.incoming[place], report, TALLYSTICK_USB_REPORT_BYTES);
    shared.incoming_count++;
    say_changed();
  }
  leave();
}

void hid_card_sent(void) {
  enter();
  say_changed();
  leave();
}

void hid_card_reset(void) {
  enter();
  shared.is_reset = true;
  /* What came before the reset is nobody's; it may be a PIN. */
  bytes_wipe(shared.incoming, sizeof shared.incoming);
  shared.incoming_count = 0;
  if (pthread_cond_signal(&roomy) != 0) hid_stop();
  say_changed();
  leave();
}

void hid_card_end(void) {
  enter();
  shared.is_over = true;
  say_changed();
  leave();
}

/* The card's thread. */

/* Carries out the command in the framing's memory, and puts the answer in its place. */
static uint32_t answer_to(uint32_t length) {
  uint8_t *message = framing_message();
  for (uint32_t i = 0; i < length; i++) card_command_take(message[i]);
  struct card_response response = card_command_end();
  /* A command may hold a PIN. */
  bytes_wipe(message, length);
  if (response.length > TALLYSTICK_USB_MESSAGE_BYTES_MAX) hid_stop();
  memcpy(message, response.bytes, response.length);
  return response.length;
}

/* Waits for what is asked of the card; false: no more is. */
static bool card_wait(void) {
  enter();
  while (shared.card != CARD_ASKED && !shared.is_over) {
    if (pthread_cond_wait(&asked, &mutex) != 0) hid_stop();
  }
  bool is_asked = shared.card == CARD_ASKED;
  if (is_asked) shared.card = CARD_WORKS;
  leave();
  return is_asked;
}

static void *card_run(void *unused) {
  (void)unused;
  card_power_on();
  while (card_wait()) {
    if (shared.is_restart) card_power_on();
    uint32_t length = shared.is_command ? answer_to(shared.command_bytes) : 0;
    enter();
    shared.answer_bytes = length;
    shared.card = CARD_DONE;
    say_changed();
    leave();
  }
  card_power_off();
  return NULL;
}

/* The framing's thread. */

/* The card rests. */
static void ask(bool is_restart, bool is_command, uint32_t command_bytes) {
  enter();
  shared.is_restart = is_restart;
  shared.is_command = is_command;
  shared.command_bytes = command_bytes;
  shared.card = CARD_ASKED;
  if (pthread_cond_signal(&asked) != 0) hid_stop();
  leave();
}

static void start_card(void) {
  int32_t command = framing_ready_command();
  enter();
  bool is_resting = shared.card == CARD_RESTS;
  leave();
  if (command < 0 || !is_resting) return;
  bool is_command = command == TALLYSTICK_USB_COMMAND_MSG;
  /* To be asked before it begins: what is in the card may be another host's. */
  bool is_restart = !is_command || framing_is_anothers();
  ask(is_restart, is_command, framing_begin());
}

/* Nothing is taken from the framing that cannot be sent: what nobody fetches it gives up. */
static void send_all(uint32_t now_ms) {
  uint8_t report[TALLYSTICK_USB_REPORT_BYTES];
  while (hid_can_send() && framing_next(report, now_ms)) hid_send(report);
}

static bool take_incoming(uint32_t now_ms) {
  uint8_t report[TALLYSTICK_USB_REPORT_BYTES];
  if (!framing_can_take()) return false;
  enter();
  /* What came since a reset of the bus is for the device after it. */
  bool is_there = shared.incoming_count > 0 && !shared.is_reset;
  if (is_there) {
    memcpy(report, shared.incoming[shared.first_incoming], sizeof report);
    bytes_wipe(shared.incoming[shared.first_incoming], sizeof report);
    shared.first_incoming = (shared.first_incoming + 1) % INCOMING_MAX;
    shared.incoming_count--;
    if (pthread_cond_signal(&roomy) != 0) hid_stop();
  }
  leave();
  if (is_there) framing_take(report, now_ms);
  bytes_wipe(report, sizeof report);
  return is_there;
}

static void take_answer(uint32_t now_ms) {
  enter();
  bool is_done = shared.card == CARD_DONE;
  if (is_done) shared.card = CARD_RESTS;
  leave();
  if (is_done) framing_answer(shared.answer_bytes, now_ms);
}

/* Whether the bus was reset meanwhile. */
static bool take_reset(void) {
  enter();
  bool is_reset = shared.is_reset;
  shared.is_reset = false;
  /* The card may be at work in the framing's memory, and cannot be interrupted. */
  while (is_reset && (shared.card == CARD_ASKED || shared.card == CARD_WORKS) && !shared.is_over) {
    if (pthread_cond_wait(&changed, &mutex) != 0) hid_stop();
  }
  if (is_reset && shared.card == CARD_DONE) shared.card = CARD_RESTS;
  leave();
  return is_reset;
}

/* Waits until something changes, or time has passed; false: it is over. */
static bool wait(void) {
  struct timespec until = after_ms(WAIT_MS);
  enter();
  /* A wait that ends for no reason is as good as one whose time is over. */
  if (!shared.is_changed && !shared.is_over) (void)pthread_cond_timedwait(&changed, &mutex, &until);
  shared.is_changed = false;
  bool is_over = shared.is_over;
  leave();
  return !is_over;
}

static void go_on(void) {
  if (take_reset()) {
    framing_start();
    ask(true, false, 0);
  }
  uint32_t now_ms = hid_now_ms();
  take_answer(now_ms);
  do {
    framing_tick(now_ms);
    send_all(now_ms);
    start_card();
  } while (take_incoming(now_ms));
}

bool hid_card_serve(size_t card_stack_bytes) {
  pthread_attr_t attributes;
  pthread_t card;
  if (pthread_attr_init(&attributes) != 0) return false;
  framing_start();
  bool is_started = pthread_attr_setstacksize(&attributes, card_stack_bytes) == 0 &&
                    pthread_create(&card, &attributes, card_run, NULL) == 0;
  (void)pthread_attr_destroy(&attributes);
  if (!is_started) return false;
  do go_on();
  while (wait());
  enter();
  bool is_told = pthread_cond_signal(&asked) == 0;
  leave();
  return is_told && pthread_join(card, NULL) == 0;
}
