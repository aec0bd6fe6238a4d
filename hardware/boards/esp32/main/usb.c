/* The card as a USB HID device on the chip's USB OTG port: usb/hid-card.h over TinyUSB. */

#include <stdio.h>
#include <string.h>

#include "class/hid/hid_device.h"
#include "esp_mac.h"
#include "esp_system.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "line.h"
#include "sdkconfig.h"
#include "tinyusb.h"
#include "tinyusb_default_config.h"
#include "usb/hid-card.h"

#define US_PER_MS 1000
/* Above the card's thread (sdkconfig.defaults), so that the host hears of a card at work; below TinyUSB's own task. */
#define FRAMING_PRIORITY 4
#define MAC_BYTES 6
#define TEXT_CHARACTERS_MAX 31
#define STRINGS (TALLYSTICK_USB_STRING_SERIAL + 1)
#define LANGUAGE_BYTES 2
/* Of a string descriptor: length and type, and then characters of two bytes. */
#define STRING_HEAD_BYTES 2
#define CHARACTER_BYTES 2

static char language[LANGUAGE_BYTES];
static char manufacturer[TEXT_CHARACTERS_MAX + 1];
static char product[TEXT_CHARACTERS_MAX + 1];
static char serial[2 * MAC_BYTES + 1];
/* By their numbers in the device descriptor. */
static const char *strings[STRINGS] = {language, manufacturer, product, serial};

bool hid_can_send(void) {
  return tud_hid_ready();
}

void hid_send(const uint8_t report[TALLYSTICK_USB_REPORT_BYTES]) {
  (void)tud_hid_report(0, report, TALLYSTICK_USB_REPORT_BYTES);
}

uint32_t hid_now_ms(void) {
  return (uint32_t)(esp_timer_get_time() / US_PER_MS);
}

_Noreturn void hid_stop(void) {
  esp_restart();
}

/* What TinyUSB calls, on its own task. */

uint8_t const *tud_hid_descriptor_report_cb(uint8_t instance) {
  (void)instance;
  return tallystick_usb_report_descriptor;
}

/* Reports come and go by the interrupt endpoints alone. */
uint16_t tud_hid_get_report_cb(
    uint8_t instance,
    uint8_t report_id,
    hid_report_type_t report_type,
    uint8_t *buffer,
    uint16_t reqlen) {
  (void)instance;
  (void)report_id;
  (void)report_type;
  (void)buffer;
  (void)reqlen;
  return 0;
}

void tud_hid_set_report_cb(
    uint8_t instance,
    uint8_t report_id,
    hid_report_type_t report_type,
    uint8_t const *buffer,
    uint16_t bufsize) {
  (void)instance;
  (void)report_id;
  (void)report_type;
  hid_card_take(buffer, bufsize);
}

void tud_hid_report_complete_cb(uint8_t instance, uint8_t const *report, uint16_t len) {
  (void)instance;
  (void)report;
  (void)len;
  hid_card_sent();
}

/* Of a reset of the bus TinyUSB says nothing, but the host configures the device anew after it, and before it sends anything. */
static void on_event(tinyusb_event_t *event, void *unused) {
  (void)unused;
  if (event->id == TINYUSB_EVENT_ATTACHED || event->id == TINYUSB_EVENT_DETACHED) hid_card_reset();
}

/* The driver wants text where the descriptors have UTF-16. */
static void text_of(const uint8_t *descriptor, char text[TEXT_CHARACTERS_MAX + 1]) {
  uint32_t count = (uint32_t)(descriptor[0] - STRING_HEAD_BYTES) / CHARACTER_BYTES;
  if (count > TEXT_CHARACTERS_MAX) count = TEXT_CHARACTERS_MAX;
  for (uint32_t i = 0; i < count; i++) text[i] = (char)descriptor[STRING_HEAD_BYTES + i * CHARACTER_BYTES];
  text[count] = '\0';
}

/* The name by which people call the device: `usb:SERIAL`. */
static bool find_serial(void) {
  uint8_t mac[MAC_BYTES];
  if (esp_efuse_mac_get_default(mac) != ESP_OK) return false;
  for (uint32_t i = 0; i < MAC_BYTES; i++) (void)snprintf(serial + 2 * i, 3, "%02X", mac[i]);
  return true;
}

void line_serve(void) {
  memcpy(language, tallystick_usb_language_descriptor + STRING_HEAD_BYTES, sizeof language);
  text_of(tallystick_usb_manufacturer_descriptor, manufacturer);
  text_of(tallystick_usb_product_descriptor, product);
  tinyusb_config_t options = TINYUSB_DEFAULT_CONFIG(on_event);
  options.descriptor.device = (const tusb_desc_device_t *)(const void *)tallystick_usb_device_descriptor;
  options.descriptor.full_speed_config = tallystick_usb_configuration_descriptor;
  options.descriptor.string = strings;
  options.descriptor.string_count = STRINGS;
  if (!find_serial() || tinyusb_driver_install(&options) != ESP_OK) return;
  vTaskPrioritySet(NULL, FRAMING_PRIORITY);
  (void)hid_card_serve(CONFIG_TALLYSTICK_CARD_STACK_BYTES);
}
