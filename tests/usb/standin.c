/* A stand-in for libusb-1.0 that speaks USB/IP to the camera simulator. It has the functions that libgphoto2's `usb:`
 * port calls, and behaves like libusb on Linux as far as libgphoto2 can notice. tests/support/usb.py builds it, and
 * tests/support/usb_process.py loads it.
 *
 * The environment variable USB_STANDIN names a folder in the form of /sys/bus/usb/devices. Like libusb, the stand-in
 * finds the devices and their descriptors there, so that a device can be listed while another process uses it. In
 * addition, the folder of a device has the file `usbip`: the place of the device, as "HOST PORT BUSID BUSNUM DEVNUM".
 *
 * The protocol: https://docs.kernel.org/usb/usbip_protocol.html. Everything runs in the thread that calls, without
 * locks, because libgphoto2 uses a port in one thread. A context has at most one open device, as in libgphoto2.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "descriptors are copied as they are");

/* -- the part of libusb.h that libgphoto2 uses; the names and the layout are libusb's */

enum {
    LIBUSB_SUCCESS = 0,
    LIBUSB_ERROR_IO = -1,
    LIBUSB_ERROR_NO_DEVICE = -4,
    LIBUSB_ERROR_NOT_FOUND = -5,
    LIBUSB_ERROR_BUSY = -6,
    LIBUSB_ERROR_TIMEOUT = -7,
    LIBUSB_ERROR_OVERFLOW = -8,
    LIBUSB_ERROR_PIPE = -9,
    LIBUSB_ERROR_NO_MEM = -11,
    LIBUSB_ERROR_NOT_SUPPORTED = -12,
};

enum libusb_transfer_status {
    LIBUSB_TRANSFER_COMPLETED,
    LIBUSB_TRANSFER_ERROR,
    LIBUSB_TRANSFER_TIMED_OUT,
    LIBUSB_TRANSFER_CANCELLED,
    LIBUSB_TRANSFER_STALL,
    LIBUSB_TRANSFER_NO_DEVICE,
    LIBUSB_TRANSFER_OVERFLOW,
};

enum { LIBUSB_TRANSFER_FREE_BUFFER = 1 << 1 };
enum { DEVICE_DESCRIPTOR = 1, CONFIG_DESCRIPTOR = 2, INTERFACE_DESCRIPTOR = 4, ENDPOINT_DESCRIPTOR = 5 };

struct libusb_device_descriptor {
    uint8_t bLength, bDescriptorType;
    uint16_t bcdUSB;
    uint8_t bDeviceClass, bDeviceSubClass, bDeviceProtocol, bMaxPacketSize0;
    uint16_t idVendor, idProduct, bcdDevice;
    uint8_t iManufacturer, iProduct, iSerialNumber, bNumConfigurations;
};

struct libusb_endpoint_descriptor {
    uint8_t bLength, bDescriptorType, bEndpointAddress, bmAttributes;
    uint16_t wMaxPacketSize;
    uint8_t bInterval, bRefresh, bSynchAddress;
    const unsigned char *extra;
    int extra_length;
};

struct libusb_interface_descriptor {
    uint8_t bLength, bDescriptorType, bInterfaceNumber, bAlternateSetting, bNumEndpoints;
    uint8_t bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol, iInterface;
    const struct libusb_endpoint_descriptor *endpoint;
    const unsigned char *extra;
    int extra_length;
};

struct libusb_interface {
    const struct libusb_interface_descriptor *altsetting;
    int num_altsetting;
};

struct libusb_config_descriptor {
    uint8_t bLength, bDescriptorType;
    uint16_t wTotalLength;
    uint8_t bNumInterfaces, bConfigurationValue, iConfiguration, bmAttributes, MaxPower;
    const struct libusb_interface *interface;
    const unsigned char *extra;
    int extra_length;
};

struct libusb_transfer {
    struct libusb_device_handle *dev_handle;
    uint8_t flags;
    unsigned char endpoint, type;
    unsigned int timeout;
    enum libusb_transfer_status status;
    int length, actual_length;
    void (*callback)(struct libusb_transfer *transfer);
    void *user_data;
    unsigned char *buffer;
    int num_iso_packets;
};

typedef struct libusb_context libusb_context;
typedef struct libusb_device libusb_device;
typedef struct libusb_device_handle libusb_device_handle;

/* -- own types */

enum { OP_VERSION = 0x0111, OP_REQ_IMPORT = 0x8003, OP_HEADER = 8, IMPORTED_DEVICE = 312, BUS_ID = 32 };
enum { CMD_SUBMIT = 1, CMD_UNLINK = 2, RET_SUBMIT = 3, RET_UNLINK = 4, HEADER = 48, SETUP = 8 };
enum { ST_DEV_BUSY = 2, ST_NODEV = 4 };

/* A kernel answers at once. If the simulator does not answer for this time, it counts as unplugged. */
#define ANSWER_MS 5000
/* The kernel frees a device when the process that used it ends. The simulator frees it a moment later. */
#define FREED_WITHIN_MS 500
#define RETRY_MS 20

struct libusb_context {
    libusb_device_handle *handle;
};

struct libusb_device {
    libusb_context *context;
    int references;
    int bus, number;
    /* where the device is, and its name and numbers there */
    char host[64], port[8], bus_id[BUS_ID];
    unsigned int remote_bus, remote_number;
    unsigned char descriptors[1024];
    int size;
};

/* A transfer that was sent to the simulator. `transfer` is NULL if the caller waits for it. */
struct urb {
    struct urb *next;
    struct libusb_transfer *transfer;
    uint32_t number, unlink_number;
    int in;
    unsigned char *data;
    int length, actual;
    int done, status; /* status: 0 or a negative errno, as in the protocol */
};

struct libusb_device_handle {
    libusb_device *device;
    int socket; /* -1: the device is not imported, or it is gone */
    int gone;
    uint32_t device_id, number;
    struct urb *urbs; /* the oldest first */
    unsigned char header[HEADER];
    int header_size, data_size;
    struct urb *receiving; /* the URB whose data follows the header */
};

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Wait until the socket is readable; with a negative socket, only wait. Returns 0 at the deadline. */
static int wait_readable(int socket, int64_t deadline) {
    struct pollfd wanted = {.fd = socket, .events = POLLIN};
    int64_t left = deadline - now_ms();
    return poll(&wanted, 1, left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left) != 0;
}

static uint32_t number_at(const unsigned char *place) {
    uint32_t value;
    memcpy(&value, place, 4);
    return ntohl(value);
}

static void put_number(unsigned char *place, uint32_t value) {
    value = htonl(value);
    memcpy(place, &value, 4);
}

static int send_all(int socket, const unsigned char *data, size_t size) {
    while (size) {
        ssize_t sent = send(socket, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return -1;
        data += sent;
        size -= (size_t)sent;
    }
    return 0;
}

static int receive_all(int socket, unsigned char *data, size_t size) {
    int64_t deadline = now_ms() + ANSWER_MS;
    while (size) {
        if (!wait_readable(socket, deadline))
            return -1;
        ssize_t received = recv(socket, data, size, 0);
        if (received < 0 && errno == EINTR)
            continue;
        if (received <= 0)
            return -1;
        data += received;
        size -= (size_t)received;
    }
    return 0;
}

/* -- the connection of one device */

static int connect_to(const char *host, const char *port) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found;
    if (getaddrinfo(host, port, &hints, &found))
        return -1;
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    if (made >= 0 && connect(made, found->ai_addr, found->ai_addrlen)) {
        close(made);
        made = -1;
    }
    freeaddrinfo(found);
    if (made >= 0)
        setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return made;
}

/* One attempt to get the device for this handle. BUSY: another connection has it. */
static int try_import(libusb_device_handle *handle) {
    libusb_device *device = handle->device;
    unsigned char request[OP_HEADER + BUS_ID] = {
        OP_VERSION >> 8, OP_VERSION & 255, OP_REQ_IMPORT >> 8, OP_REQ_IMPORT & 255,
    };
    unsigned char reply[OP_HEADER], imported[IMPORTED_DEVICE];
    int connection = connect_to(device->host, device->port), error = LIBUSB_ERROR_NO_DEVICE;
    if (connection < 0)
        return error;
    memcpy(request + OP_HEADER, device->bus_id, BUS_ID);
    if (send_all(connection, request, sizeof request) || receive_all(connection, reply, sizeof reply))
        goto failed;
    uint32_t status = number_at(reply + 4);
    if (status) {
        if (status != ST_NODEV)
            error = status == ST_DEV_BUSY ? LIBUSB_ERROR_BUSY : LIBUSB_ERROR_IO;
        goto failed;
    }
    if (receive_all(connection, imported, sizeof imported))
        goto failed;
    uint32_t bus = number_at(imported + 256 + BUS_ID), number = number_at(imported + 256 + BUS_ID + 4);
    if (bus != device->remote_bus || number != device->remote_number)
        goto failed; /* plugged in again since it was listed */
    handle->device_id = bus << 16 | number;
    handle->socket = connection;
    return LIBUSB_SUCCESS;
failed:
    close(connection);
    return error;
}

static int import(libusb_device_handle *handle) {
    int64_t deadline = now_ms() + FREED_WITHIN_MS;
    if (handle->gone)
        return LIBUSB_ERROR_NO_DEVICE;
    while (handle->socket < 0) {
        int result = try_import(handle);
        if (result != LIBUSB_SUCCESS && (result != LIBUSB_ERROR_BUSY || now_ms() >= deadline))
            return result;
        if (result == LIBUSB_ERROR_BUSY)
            wait_readable(-1, now_ms() + RETRY_MS);
    }
    return LIBUSB_SUCCESS;
}

static void complete(struct urb *urb, int status) {
    urb->status = status;
    urb->done = 1;
}

/* Close the connection and end all transfers: from now on, the device counts as unplugged. */
static void lose(libusb_device_handle *handle) {
    if (handle->socket >= 0)
        close(handle->socket);
    handle->socket = -1;
    handle->gone = 1;
    for (struct urb *urb = handle->urbs; urb; urb = urb->next)
        if (!urb->done)
            complete(urb, -ENODEV);
}

/* Handle a complete header. Returns -1 if the simulator has violated the protocol. */
static int handle_header(libusb_device_handle *handle) {
    uint32_t command = number_at(handle->header), number = number_at(handle->header + 4);
    int status = (int)number_at(handle->header + 20), actual = (int)number_at(handle->header + 24);
    struct urb *urb = handle->urbs;
    handle->header_size = 0;
    if (command == RET_UNLINK) {
        while (urb && urb->unlink_number != number)
            urb = urb->next;
        if (urb && !urb->done) /* otherwise the URB was complete before the simulator got the request */
            complete(urb, -ECONNRESET);
        return 0;
    }
    while (urb && (urb->number != number || urb->done))
        urb = urb->next;
    if (command != RET_SUBMIT || !urb || actual < 0 || actual > urb->length)
        return -1;
    urb->actual = actual;
    urb->status = status;
    if (urb->in && actual) {
        handle->receiving = urb;
        handle->data_size = 0;
    } else
        complete(urb, status);
    return 0;
}

/* Read what has arrived, without waiting. */
static void receive(libusb_device_handle *handle) {
    while (handle->socket >= 0) {
        struct urb *urb = handle->receiving;
        unsigned char *place = urb ? urb->data + handle->data_size : handle->header + handle->header_size;
        int left = urb ? urb->actual - handle->data_size : HEADER - handle->header_size;
        ssize_t received = recv(handle->socket, place, (size_t)left, MSG_DONTWAIT);
        if (received < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (received <= 0) {
            lose(handle);
        } else if (!urb) {
            handle->header_size += (int)received;
            if (handle->header_size == HEADER && handle_header(handle))
                lose(handle);
        } else if ((handle->data_size += (int)received) == urb->actual) {
            handle->receiving = NULL;
            complete(urb, urb->status);
        }
    }
}

static void forget(libusb_device_handle *handle, struct urb *urb) {
    struct urb **place = &handle->urbs;
    while (*place != urb)
        place = &(*place)->next;
    *place = urb->next;
}

/* Call the callbacks of completed transfers, which may submit and free transfers. Returns how many were called. */
static int dispatch(libusb_device_handle *handle) {
    int called = 0;
    for (;;) {
        struct urb *urb = handle->urbs;
        while (urb && !(urb->transfer && urb->done))
            urb = urb->next;
        if (!urb)
            return called;
        struct libusb_transfer *transfer = urb->transfer;
        transfer->actual_length = urb->actual;
        switch (urb->status) {
        case 0: transfer->status = LIBUSB_TRANSFER_COMPLETED; break;
        case -EPIPE: transfer->status = LIBUSB_TRANSFER_STALL; break;
        case -ENODEV: case -ESHUTDOWN: transfer->status = LIBUSB_TRANSFER_NO_DEVICE; break;
        case -ECONNRESET: case -ENOENT: transfer->status = LIBUSB_TRANSFER_CANCELLED; break;
        case -EOVERFLOW: transfer->status = LIBUSB_TRANSFER_OVERFLOW; break;
        default: transfer->status = LIBUSB_TRANSFER_ERROR;
        }
        forget(handle, urb);
        free(urb);
        transfer->callback(transfer);
        called++;
    }
}

/* Wait until the URB is done, or until the deadline. */
static void wait_done(libusb_device_handle *handle, struct urb *urb, int64_t deadline) {
    while (!urb->done) {
        int readable = wait_readable(handle->socket, deadline);
        receive(handle);
        if (!readable)
            return;
    }
}

/* Cancel the URB. Afterwards it is done: cancelled, or complete if that came first, or lost with the connection. */
static void unlink_urb(libusb_device_handle *handle, struct urb *urb) {
    unsigned char header[HEADER] = {0};
    urb->unlink_number = ++handle->number;
    put_number(header, CMD_UNLINK);
    put_number(header + 4, urb->unlink_number);
    put_number(header + 8, handle->device_id);
    put_number(header + 20, urb->number);
    if (send_all(handle->socket, header, sizeof header) == 0)
        wait_done(handle, urb, now_ms() + ANSWER_MS);
    if (!urb->done)
        lose(handle);
}

/* Send an URB. If this succeeds, it is in the list of the handle until `forget`. */
static int submit(libusb_device_handle *handle, struct urb *urb, int endpoint, const unsigned char *setup) {
    unsigned char header[HEADER] = {0};
    int result = import(handle);
    if (result)
        return result;
    urb->number = ++handle->number;
    put_number(header, CMD_SUBMIT);
    put_number(header + 4, urb->number);
    put_number(header + 8, handle->device_id);
    put_number(header + 12, (uint32_t)urb->in);
    put_number(header + 16, endpoint & 15);
    put_number(header + 24, (uint32_t)urb->length);
    put_number(header + 32, 0xffffffff); /* the number of packets of a transfer that is not isochronous */
    if (setup)
        memcpy(header + HEADER - SETUP, setup, SETUP);
    struct urb **last = &handle->urbs;
    while (*last)
        last = &(*last)->next;
    *last = urb;
    int failed = send_all(handle->socket, header, sizeof header);
    if (!failed && !urb->in)
        failed = send_all(handle->socket, urb->data, (size_t)urb->length);
    if (!failed)
        return LIBUSB_SUCCESS;
    forget(handle, urb);
    lose(handle);
    return LIBUSB_ERROR_NO_DEVICE;
}

/* Send an URB and wait for its end. Returns a libusb error; `actual` gets the number of bytes. */
static int transfer_now(
    libusb_device_handle *handle, int endpoint, const unsigned char *setup, unsigned char *data, int length,
    unsigned int timeout, int *actual
) {
    struct urb urb = {.in = (setup ? setup[0] : endpoint) >> 7 & 1, .data = data, .length = length};
    int timed_out = 0, result = submit(handle, &urb, endpoint, setup);
    *actual = 0;
    if (result)
        return result;
    wait_done(handle, &urb, timeout ? now_ms() + timeout : INT64_MAX);
    if (!urb.done) {
        timed_out = 1;
        unlink_urb(handle, &urb);
    }
    forget(handle, &urb);
    dispatch(handle);
    *actual = urb.actual;
    switch (urb.status) {
    case 0: return LIBUSB_SUCCESS;
    case -EPIPE: return LIBUSB_ERROR_PIPE;
    case -ENODEV: case -ESHUTDOWN: return LIBUSB_ERROR_NO_DEVICE;
    case -EOVERFLOW: return LIBUSB_ERROR_OVERFLOW;
    case -ECONNRESET: return timed_out ? LIBUSB_ERROR_TIMEOUT : LIBUSB_ERROR_IO;
    default: return LIBUSB_ERROR_IO;
    }
}

static int control(libusb_device_handle *handle, int type, int request, int value, int index) {
    const unsigned char setup[SETUP] = {
        (unsigned char)type, (unsigned char)request, value & 255, value >> 8 & 255, index & 255, index >> 8 & 255,
    };
    int actual;
    return transfer_now(handle, 0, setup, NULL, 0, ANSWER_MS, &actual);
}

/* -- contexts and devices */

int libusb_init(libusb_context **context) {
    *context = calloc(1, sizeof **context);
    return *context ? LIBUSB_SUCCESS : LIBUSB_ERROR_NO_MEM;
}

void libusb_exit(libusb_context *context) {
    free(context);
}

/* Read a file of the device's folder. Returns the number of bytes, or 0. */
static int read_file(const char *device, const char *name, unsigned char *data, int size) {
    char path[PATH_MAX];
    const char *folder = getenv("USB_STANDIN");
    if (!folder || snprintf(path, sizeof path, "%s/%s/%s", folder, device, name) >= (int)sizeof path)
        return 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    size_t read = fread(data, 1, (size_t)size, file);
    fclose(file);
    return (int)read;
}

/* Read what is known about a device. Returns 0 if `name` is not a device, or if it has just been unplugged. */
static int read_device(libusb_device *device, const char *name) {
    char text[128] = "", bus[8] = "", number[8] = "";
    read_file(name, "busnum", (unsigned char *)bus, sizeof bus - 1);
    read_file(name, "devnum", (unsigned char *)number, sizeof number - 1);
    read_file(name, "usbip", (unsigned char *)text, sizeof text - 1);
    device->bus = atoi(bus);
    device->number = atoi(number);
    device->size = read_file(name, "descriptors", device->descriptors, sizeof device->descriptors);
    return device->size >= (int)sizeof(struct libusb_device_descriptor)
        && sscanf(text, "%63s %7s %31s %u %u", device->host, device->port, device->bus_id, &device->remote_bus,
                  &device->remote_number) == 5;
}

static void release(libusb_device *device) {
    if (--device->references == 0)
        free(device);
}

ssize_t libusb_get_device_list(libusb_context *context, libusb_device ***list) {
    const char *folder = getenv("USB_STANDIN");
    DIR *entries = folder ? opendir(folder) : NULL;
    ssize_t count = 0;
    *list = calloc(1, sizeof **list);
    for (struct dirent *entry; *list && entries && (entry = readdir(entries));) {
        libusb_device *device = calloc(1, sizeof *device);
        libusb_device **longer = realloc(*list, (size_t)(count + 2) * sizeof **list);
        *list = longer ? longer : *list;
        if (!device || !longer || entry->d_name[0] == '.' || !read_device(device, entry->d_name)) {
            free(device);
            continue;
        }
        device->context = context;
        device->references = 1;
        (*list)[count++] = device;
        (*list)[count] = NULL;
    }
    if (entries)
        closedir(entries);
    return *list ? count : LIBUSB_ERROR_NO_MEM;
}

void libusb_free_device_list(libusb_device **list, int unref) {
    for (libusb_device **place = list; list && unref && *place; place++)
        release(*place);
    free(list);
}

uint8_t libusb_get_bus_number(libusb_device *device) {
    return (uint8_t)device->bus;
}

uint8_t libusb_get_device_address(libusb_device *device) {
    return (uint8_t)device->number;
}

int libusb_get_device_descriptor(libusb_device *device, struct libusb_device_descriptor *descriptor) {
    memcpy(descriptor, device->descriptors, sizeof *descriptor);
    return LIBUSB_SUCCESS;
}

/* A configuration with at most 4 interfaces of one setting, and 8 endpoints for each; cameras have no more. */
struct parsed {
    struct libusb_config_descriptor config; /* the first, because libusb_free_config_descriptor gets its address */
    struct libusb_interface interfaces[4];
    struct libusb_interface_descriptor settings[4];
    struct libusb_endpoint_descriptor endpoints[4][8];
};

int libusb_get_config_descriptor(libusb_device *device, uint8_t index, struct libusb_config_descriptor **config) {
    struct parsed *parsed = calloc(1, sizeof *parsed);
    int configs = 0, interfaces = 0, endpoints = 0;
    const unsigned char *place = device->descriptors, *end = place + device->size;
    if (!parsed)
        return LIBUSB_ERROR_NO_MEM;
    for (; place + 2 <= end && place[0] >= 2 && place + place[0] <= end; place += place[0]) {
        if (place[1] == CONFIG_DESCRIPTOR && configs++ == index) {
            memcpy(&parsed->config, place, 9);
            parsed->config.interface = parsed->interfaces;
        } else if (configs != index + 1) {
            continue; /* of the device, or of another configuration */
        } else if (place[1] == INTERFACE_DESCRIPTOR) {
            if (interfaces == 4 || place[3] != 0)
                goto unsupported;
            struct libusb_interface_descriptor *setting = &parsed->settings[interfaces];
            memcpy(setting, place, 9);
            setting->endpoint = parsed->endpoints[interfaces];
            parsed->interfaces[interfaces++] = (struct libusb_interface){setting, 1};
            endpoints = 0;
        } else if (place[1] == ENDPOINT_DESCRIPTOR && interfaces) {
            if (endpoints == 8)
                goto unsupported;
            memcpy(&parsed->endpoints[interfaces - 1][endpoints++], place, 7);
        }
    }
    if (configs <= index) {
        free(parsed);
        return LIBUSB_ERROR_NOT_FOUND;
    }
    *config = &parsed->config;
    return LIBUSB_SUCCESS;
unsupported:
    free(parsed);
    return LIBUSB_ERROR_NOT_SUPPORTED;
}

void libusb_free_config_descriptor(struct libusb_config_descriptor *config) {
    free(config);
}

int libusb_get_max_packet_size(libusb_device *device, unsigned char endpoint) {
    const unsigned char *place = device->descriptors, *end = place + device->size;
    for (; place + 7 <= end && place[0] >= 2; place += place[0])
        if (place[1] == ENDPOINT_DESCRIPTOR && place[2] == endpoint)
            return place[4] | place[5] << 8;
    return LIBUSB_ERROR_NOT_FOUND;
}

/* -- an open device */

int libusb_open(libusb_device *device, libusb_device_handle **handle) {
    if (device->context->handle)
        return LIBUSB_ERROR_NOT_SUPPORTED;
    libusb_device_handle *made = calloc(1, sizeof *made);
    if (!made)
        return LIBUSB_ERROR_NO_MEM;
    made->device = device;
    made->socket = -1;
    int result = import(made);
    if (result && result != LIBUSB_ERROR_BUSY) { /* as in the kernel, only the claim fails if another process has it */
        free(made);
        return result;
    }
    device->references++;
    device->context->handle = *handle = made;
    return LIBUSB_SUCCESS;
}

void libusb_close(libusb_device_handle *handle) {
    lose(handle);
    for (struct urb *urb = handle->urbs, *next; urb; urb = next) {
        next = urb->next;
        free(urb);
    }
    handle->device->context->handle = NULL;
    release(handle->device);
    free(handle);
}

int libusb_claim_interface(libusb_device_handle *handle, int interface) {
    (void)interface;
    return import(handle);
}

/* The device stays imported until it is closed, because libgphoto2 releases and claims it again while it opens it. */
int libusb_release_interface(libusb_device_handle *handle, int interface) {
    (void)interface;
    return handle->gone ? LIBUSB_ERROR_NO_DEVICE : LIBUSB_SUCCESS;
}

int libusb_kernel_driver_active(libusb_device_handle *handle, int interface) {
    (void)interface;
    return handle->gone ? LIBUSB_ERROR_NO_DEVICE : 0; /* no kernel driver uses a camera */
}

int libusb_detach_kernel_driver(libusb_device_handle *handle, int interface) {
    (void)interface;
    return handle->gone ? LIBUSB_ERROR_NO_DEVICE : LIBUSB_ERROR_NOT_FOUND;
}

int libusb_attach_kernel_driver(libusb_device_handle *handle, int interface) {
    return libusb_detach_kernel_driver(handle, interface);
}

int libusb_set_configuration(libusb_device_handle *handle, int configuration) {
    return control(handle, 0x00, 9, configuration, 0);
}

int libusb_set_interface_alt_setting(libusb_device_handle *handle, int interface, int setting) {
    return control(handle, 0x01, 11, setting, interface);
}

/* CLEAR_FEATURE(ENDPOINT_HALT) */
int libusb_clear_halt(libusb_device_handle *handle, unsigned char endpoint) {
    return control(handle, 0x02, 1, 0, endpoint);
}

/* USB/IP does not transmit a reset of the port. It transmits only what the kernel does next: it chooses the
 * configuration again. */
int libusb_reset_device(libusb_device_handle *handle) {
    struct libusb_config_descriptor *config;
    int result = libusb_get_config_descriptor(handle->device, 0, &config);
    if (result)
        return result;
    result = libusb_set_configuration(handle, config->bConfigurationValue);
    libusb_free_config_descriptor(config);
    return result;
}

int libusb_control_transfer(
    libusb_device_handle *handle, uint8_t type, uint8_t request, uint16_t value, uint16_t index, unsigned char *data,
    uint16_t length, unsigned int timeout
) {
    const unsigned char setup[SETUP] = {
        type, request, value & 255, (unsigned char)(value >> 8), index & 255, (unsigned char)(index >> 8),
        length & 255, (unsigned char)(length >> 8),
    };
    int actual, result = transfer_now(handle, 0, setup, data, length, timeout, &actual);
    return result ? result : actual;
}

int libusb_bulk_transfer(
    libusb_device_handle *handle, unsigned char endpoint, unsigned char *data, int length, int *transferred,
    unsigned int timeout
) {
    int actual, result = transfer_now(handle, endpoint, NULL, data, length, timeout, &actual);
    if (transferred)
        *transferred = actual;
    return result;
}

/* -- transfers with a callback */

struct libusb_transfer *libusb_alloc_transfer(int packets) {
    return packets ? NULL : calloc(1, sizeof(struct libusb_transfer));
}

void libusb_free_transfer(struct libusb_transfer *transfer) {
    if (transfer && transfer->flags & LIBUSB_TRANSFER_FREE_BUFFER)
        free(transfer->buffer);
    free(transfer);
}

int libusb_submit_transfer(struct libusb_transfer *transfer) {
    if (transfer->timeout)
        return LIBUSB_ERROR_NOT_SUPPORTED;
    struct urb *urb = calloc(1, sizeof *urb);
    if (!urb)
        return LIBUSB_ERROR_NO_MEM;
    *urb = (struct urb){
        .transfer = transfer, .in = transfer->endpoint >> 7, .data = transfer->buffer, .length = transfer->length,
    };
    int result = submit(transfer->dev_handle, urb, transfer->endpoint, NULL);
    if (result)
        free(urb);
    return result;
}

/* As in Linux, the transfer has ended when this returns; its callback is called when events are handled. */
int libusb_cancel_transfer(struct libusb_transfer *transfer) {
    struct urb *urb = transfer->dev_handle->urbs;
    while (urb && urb->transfer != transfer)
        urb = urb->next;
    if (!urb || urb->done)
        return LIBUSB_ERROR_NOT_FOUND;
    unlink_urb(transfer->dev_handle, urb);
    return LIBUSB_SUCCESS;
}

int libusb_handle_events_timeout(libusb_context *context, struct timeval *timeout) {
    libusb_device_handle *handle = context->handle;
    int64_t deadline = now_ms() + (int64_t)timeout->tv_sec * 1000 + (timeout->tv_usec + 999) / 1000;
    for (;;) {
        if (handle)
            receive(handle);
        if (handle && dispatch(handle))
            return LIBUSB_SUCCESS;
        if (!wait_readable(handle ? handle->socket : -1, deadline))
            return LIBUSB_SUCCESS;
    }
}

int libusb_handle_events(libusb_context *context) {
    struct timeval minute = {.tv_sec = 60};
    return libusb_handle_events_timeout(context, &minute);
}

/* Not libusb: does what the kernel does for USBDEVFS_RESET on the device file of a device. Returns a libusb error. */
int standin_reset(int bus, int number) {
    libusb_context *context;
    libusb_device **list;
    libusb_device_handle *handle;
    int result = libusb_init(&context);
    if (result)
        return result;
    result = LIBUSB_ERROR_NO_DEVICE;
    ssize_t count = libusb_get_device_list(context, &list);
    for (ssize_t index = 0; index < count; index++) {
        if (list[index]->bus != bus || list[index]->number != number)
            continue;
        result = libusb_open(list[index], &handle);
        if (result == LIBUSB_SUCCESS) {
            result = libusb_reset_device(handle);
            libusb_close(handle);
        }
    }
    libusb_free_device_list(list, 1);
    libusb_exit(context);
    return result;
}
