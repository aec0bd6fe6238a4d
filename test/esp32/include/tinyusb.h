/* Of esp_tinyusb 2.1, include/tinyusb.h, on a chip with one USB port: what the board uses. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp_err.h"

/* TinyUSB's, packed: a device descriptor of USB 2.0. */
typedef struct __attribute__((packed)) {
  uint8_t bLength;
  uint8_t bDescriptorType;
  uint16_t bcdUSB;
  uint8_t bDeviceClass;
  uint8_t bDeviceSubClass;
  uint8_t bDeviceProtocol;
  uint8_t bMaxPacketSize0;
  uint16_t idVendor;
  uint16_t idProduct;
  uint16_t bcdDevice;
  uint8_t iManufacturer;
  uint8_t iProduct;
  uint8_t iSerialNumber;
  uint8_t bNumConfigurations;
} tusb_desc_device_t;

typedef struct tusb_desc_device_qualifier tusb_desc_device_qualifier_t;

typedef enum { TINYUSB_PORT_FULL_SPEED_0 = 0, TINYUSB_PORT_MAX } tinyusb_port_t;

typedef struct {
  bool skip_setup;
  bool self_powered;
  int vbus_monitor_io;
} tinyusb_phy_config_t;

typedef struct {
  size_t size;
  uint8_t priority;
  int xCoreID;
} tinyusb_task_config_t;

typedef struct {
  const tusb_desc_device_t *device;
  const tusb_desc_device_qualifier_t *qualifier;
  const char **string;
  int string_count;
  const uint8_t *full_speed_config;
  const uint8_t *high_speed_config;
} tinyusb_desc_config_t;

typedef enum { TINYUSB_EVENT_ATTACHED = 0, TINYUSB_EVENT_DETACHED = 1 } tinyusb_event_id_t;

typedef struct {
  tinyusb_event_id_t id;
  uint8_t rhport;
} tinyusb_event_t;

typedef void (*tinyusb_event_cb_t)(tinyusb_event_t *event, void *arg);

typedef struct {
  tinyusb_port_t port;
  tinyusb_phy_config_t phy;
  tinyusb_task_config_t task;
  tinyusb_desc_config_t descriptor;
  tinyusb_event_cb_t event_cb;
  void *event_arg;
} tinyusb_config_t;

esp_err_t tinyusb_driver_install(const tinyusb_config_t *config);
