/*
 * TinyUSB with a host on standard input and output. From the host come records of 65 bytes, a kind and then a report: 0 is a report
 * on the OUT endpoint; 1 a reset of the bus, 2 a host that fetches no reports, 3 one that does again, whose other bytes mean nothing. To the
 * host go reports of 64 bytes, one at a time as from an IN endpoint. The callbacks come from threads that are TinyUSB's.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "class/hid/hid_device.h"
#include "tinyusb.h"
#include "usb.generated.h"
#include "usb/hid-card.h"

#define RECORD_BYTES (1 + TALLYSTICK_USB_REPORT_BYTES)

enum record_kind { RECORD_REPORT, RECORD_RESET, RECORD_DEAF, RECORD_FETCHING };

static tinyusb_event_cb_t event_callback;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint8_t endpoint[TALLYSTICK_USB_REPORT_BYTES];
static bool is_armed;
static bool is_deaf;

static void fail(const char *what) {
  (void)fprintf(stderr, "fake USB: %s\n", what);
  exit(EXIT_FAILURE);
}

bool tud_hid_ready(void) {
  (void)pthread_mutex_lock(&mutex);
  bool is_ready = !is_armed;
  (void)pthread_mutex_unlock(&mutex);
  return is_ready;
}

bool tud_hid_report(uint8_t report_id, void const *report, uint16_t len) {
  if (report_id != 0 || len != sizeof endpoint) fail("a report of another form");
  (void)pthread_mutex_lock(&mutex);
  bool is_taken = !is_armed;
  if (is_taken) memcpy(endpoint, report, sizeof endpoint);
  is_armed = true;
  (void)pthread_cond_signal(&changed);
  (void)pthread_mutex_unlock(&mutex);
  return is_taken;
}

static void *fetch(void *unused) {
  (void)unused;
  uint8_t report[TALLYSTICK_USB_REPORT_BYTES];
  for (;;) {
    (void)pthread_mutex_lock(&mutex);
    while (!is_armed || is_deaf) (void)pthread_cond_wait(&changed, &mutex);
    memcpy(report, endpoint, sizeof report);
    (void)pthread_mutex_unlock(&mutex);
    if (write(STDOUT_FILENO, report, sizeof report) != sizeof report) return NULL;
    (void)pthread_mutex_lock(&mutex);
    is_armed = false;
    (void)pthread_mutex_unlock(&mutex);
    tud_hid_report_complete_cb(0, report, sizeof report);
  }
}

static void set_deaf(bool value) {
  (void)pthread_mutex_lock(&mutex);
  is_deaf = value;
  (void)pthread_cond_signal(&changed);
  (void)pthread_mutex_unlock(&mutex);
}

/* TinyUSB says nothing of a reset of the bus: only that the host has configured the device, anew, before it sends anything. */
static void reset_bus(void) {
  event_callback(&(tinyusb_event_t){.id = TINYUSB_EVENT_ATTACHED}, NULL);
}

static void *take(void *unused) {
  (void)unused;
  uint8_t record[RECORD_BYTES];
  while (fread(record, sizeof record, 1, stdin) == 1) {
    if (record[0] == RECORD_REPORT) tud_hid_set_report_cb(0, 0, HID_REPORT_TYPE_OUTPUT, record + 1, RECORD_BYTES - 1);
    else if (record[0] == RECORD_RESET) reset_bus();
    else set_deaf(record[0] == RECORD_DEAF);
  }
  hid_card_end();
  return NULL;
}

#define IS_GENERATED(BYTES, NAME) (memcmp(BYTES, tallystick_usb_##NAME##_descriptor, sizeof tallystick_usb_##NAME##_descriptor) == 0)

/* What the host would read of the device is what is generated, and this chip's serial number. */
static bool is_described(const tinyusb_desc_config_t *descriptor) {
  return IS_GENERATED(descriptor->device, device) && IS_GENERATED(descriptor->full_speed_config, configuration) &&
         IS_GENERATED(tud_hid_descriptor_report_cb(0), report) && descriptor->string_count == 4 &&
         memcmp(descriptor->string[0], "\x09\x04", 2) == 0 && strcmp(descriptor->string[1], "Tallystick") == 0 &&
         strcmp(descriptor->string[2], "Tallystick chip") == 0 && strcmp(descriptor->string[3], "7CDFA100BEEF") == 0;
}

static bool start(void *(*run)(void *)) {
  pthread_t thread;
  return pthread_create(&thread, NULL, run, NULL) == 0 && pthread_detach(thread) == 0;
}

esp_err_t tinyusb_driver_install(const tinyusb_config_t *config) {
  if (!is_described(&config->descriptor) || config->event_cb == NULL) fail("descriptors that are not the project's");
  event_callback = config->event_cb;
  return start(fetch) && start(take) ? ESP_OK : ESP_FAIL;
}
