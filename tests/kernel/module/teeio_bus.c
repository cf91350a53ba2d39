// SPDX-License-Identifier: GPL-2.0
/*
 * teeio_bus: an emulated PCI Express hierarchy for tests. A host bridge in domain 10000, a root port with IDE, and an
 * endpoint with two DOE mailboxes, IDE and TEE-IO, so that user space meets the real kernel's PCI files without hardware.
 *
 * The first mailbox hands every data object but DOE Discovery to user space: read(/dev/teeio-doe) waits for one request,
 * header included, and write(/dev/teeio-doe) gives its response, or sets Error with the three bytes "ERR". The second
 * mailbox serves discovery only. /dev/teeio-config is both configuration spaces from inside, 4096 bytes each, root port
 * first: reads and writes there have no side effects.
 *
 * A selective stream turns secure as soon as it is enabled, unless the parameter autosecure is 0.
 */
#include <linux/bitfield.h>
#include <linux/ioport.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-doe.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/unaligned.h>
#include <linux/platform_device.h>

#ifndef PCI_EXT_CAP_ID_IDE		/* PCIe 7.0 7.9.26; absent from older headers */
#define PCI_EXT_CAP_ID_IDE		0x30
#define PCI_IDE_CAP			0x04
#define PCI_IDE_CAP_SELECTIVE		0x2
#define PCI_IDE_CAP_IDE_KM		0x40
#define PCI_IDE_CAP_SEL_CFG		0x80
#define PCI_IDE_CAP_SEL_NUM		GENMASK(23, 16)
#define PCI_IDE_CAP_TEE_LIMITED		0x1000000
#define PCI_IDE_CTL			0x08
#define PCI_IDE_CTL_FLOWTHROUGH_IDE	0x4
#define PCI_IDE_LINK_STREAM_0		0xc
#define PCI_IDE_SEL_CAP			0x00
#define PCI_IDE_SEL_CTL			0x04
#define PCI_IDE_SEL_CTL_EN		0x1
#define PCI_IDE_SEL_STS			0x08
#define PCI_IDE_SEL_STS_STATE_SECURE	2
#define PCI_IDE_SEL_RID_1		0x0c
#define PCI_IDE_SEL_RID_2		0x10
#define PCI_IDE_SEL_ADDR_1(x)		(20 + (x) * 12)
#define PCI_IDE_SEL_ADDR_2(x)		(24 + (x) * 12)
#define PCI_IDE_SEL_ADDR_3(x)		(28 + (x) * 12)
#define PCI_IDE_SEL_BLOCK_SIZE(n)	(20 + 12 * (n))
#endif
#ifndef PCI_EXP_DEVCAP_TEE
#define PCI_EXP_DEVCAP_TEE		0x40000000
#endif

#define CAP_PCIE	0x40
#define DOE		0x100		/* DOE ext cap (endpoint) */
#define DOE2		0x120		/* second DOE instance: discovery only */
#define IDE		0x200		/* IDE ext cap (both) */
#define NSTREAMS	2
#define NASSOC		3
#define MAXDW		(4096 / 4 + 2)
#define SEL(i)		(IDE + PCI_IDE_LINK_STREAM_0 + (i) * PCI_IDE_SEL_BLOCK_SIZE(NASSOC))

static bool autosecure = true;
module_param(autosecure, bool, 0644);
MODULE_PARM_DESC(autosecure, "selective stream turns Secure as soon as it is enabled");

struct vdev {
	u8 cfg[4096], wmask[4096];
	bool is_ep;
};

struct doe {
	u16 base;
	u32 wr[MAXDW], rd[MAXDW];
	int nwr, nrd, ird;
	bool busy, ready, err, userspace;
	u32 req[MAXDW];			/* object handed to userspace */
	int nreq;			/* dwords, 0 = none pending */
	u32 gen;			/* bumped by abort/reset: late responses are dropped */
};

static struct vdev rp, ep;
static struct doe doe[2];
static DEFINE_RAW_SPINLOCK(lock);
static DECLARE_WAIT_QUEUE_HEAD(reqwq);
static struct platform_device *fdev;
static struct pci_sysdata sysdata;
static struct pci_bus *root;
static struct resource busres, memres;
static u32 served_gen;

static u32 r32(struct vdev *v, int o) { return get_unaligned_le32(v->cfg + o); }
static void p32(struct vdev *v, int o, u32 x) { put_unaligned_le32(x, v->cfg + o); }
static void p16(struct vdev *v, int o, u16 x) { put_unaligned_le16(x, v->cfg + o); }
static void wm(struct vdev *v, int o, u32 x) { put_unaligned_le32(x, v->wmask + o); }

/* ---------------------------------------------------------------- DOE */
static void doe_reset(struct doe *d)
{
	d->nwr = d->nrd = d->ird = d->nreq = 0;
	d->busy = d->ready = d->err = false;
	d->gen++;
}

static void doe_respond(struct doe *d, const u32 *dw, int n)
{
	memcpy(d->rd, dw, n * 4);
	d->nrd = n; d->ird = 0;
	d->busy = false; d->ready = true;
}

static void doe_go(struct doe *d)
{
	static const u32 feats[] = { 0x000001, 0x010001, 0x020001 };	/* vid | type << 16 */
	int nfeat = d->userspace ? 3 : 1;
	u32 len;

	if (d->busy || d->ready || d->err)
		return;
	len = d->nwr >= 2 ? d->wr[1] & 0x3ffff : 0;
	if (d->nwr < 2 || len != d->nwr) {		/* malformed or oversized object: DOE Error */
		d->err = true;
		d->nwr = 0;
		return;
	}
	if ((d->wr[0] & 0xffffff) == 0) {
		d->err = true;
	} else if ((d->wr[0] & 0xffffff) == 0x000001) {	/* Discovery */
		u8 i = len > 2 ? d->wr[2] & 0xff : 0xff;
		u32 r[3] = { 0x000001, 3, 0 };

		r[2] = i < nfeat ? FIELD_PREP(0xffff, feats[i] & 0xffff) | FIELD_PREP(0xff0000, feats[i] >> 16) |
			((u32)(i + 1 < nfeat ? i + 1 : 0) << 24) : 0xffff;
		doe_respond(d, r, 3);
	} else if (d->userspace) {
		memcpy(d->req, d->wr, d->nwr * 4);
		d->nreq = d->nwr;
		d->busy = true;
		wake_up(&reqwq);
	} else {
		d->busy = false;			/* unsupported protocol: silently dropped */
	}
	d->nwr = 0;
}

static bool doe_read(struct doe *d, int off, u32 *v)
{
	switch (off - d->base) {
	case PCI_DOE_CTRL: *v = 0; return true;
	case PCI_DOE_STATUS:
		*v = (d->busy ? PCI_DOE_STATUS_BUSY : 0) | (d->err ? PCI_DOE_STATUS_ERROR : 0) |
		     (d->ready ? PCI_DOE_STATUS_DATA_OBJECT_READY : 0);
		return true;
	case PCI_DOE_WRITE: *v = 0; return true;
	case PCI_DOE_READ: *v = d->ready ? d->rd[d->ird] : 0; return true;
	}
	return false;
}

static bool doe_write(struct doe *d, int off, u32 v)
{
	switch (off - d->base) {
	case PCI_DOE_CTRL:
		if (v & PCI_DOE_CTRL_ABORT)
			doe_reset(d);
		else if (v & PCI_DOE_CTRL_GO)
			doe_go(d);
		return true;
	case PCI_DOE_STATUS: return true;
	case PCI_DOE_WRITE:
		if (d->nwr < MAXDW)
			d->wr[d->nwr++] = v;
		else
			d->err = true;
		return true;
	case PCI_DOE_READ:
		if (d->ready && ++d->ird >= d->nrd)
			d->ready = false;
		return true;
	}
	return false;
}

/* ---------------------------------------------------------------- config space */
static struct vdev *find(struct pci_bus *bus, unsigned int devfn)
{
	if (devfn)
		return NULL;
	if (bus->number == 0)
		return &rp;
	return bus->number == rp.cfg[PCI_SECONDARY_BUS] ? &ep : NULL;
}

static void after_write(struct vdev *v, int dw, u32 old)
{
	int i;

	for (i = 0; i < NSTREAMS; i++)
		if (dw == SEL(i) + PCI_IDE_SEL_CTL) {
			bool en = r32(v, dw) & PCI_IDE_SEL_CTL_EN;

			if (!en)
				p32(v, SEL(i) + PCI_IDE_SEL_STS, 0);
			else if (autosecure)
				p32(v, SEL(i) + PCI_IDE_SEL_STS, PCI_IDE_SEL_STS_STATE_SECURE);
		}
	if (v->is_ep && dw == CAP_PCIE + PCI_EXP_DEVCTL && (r32(v, dw) & PCI_EXP_DEVCTL_BCR_FLR)) {
		p32(v, dw, r32(v, dw) & ~PCI_EXP_DEVCTL_BCR_FLR);
		for (i = 0; i < 2; i++)
			doe_reset(&doe[i]);
		for (i = 0; i < NSTREAMS; i++) {
			p32(v, SEL(i) + PCI_IDE_SEL_CTL, 0);
			p32(v, SEL(i) + PCI_IDE_SEL_STS, 0);
		}
	}
}

static int cfg_read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	struct vdev *v = find(bus, devfn);
	unsigned long fl;
	u32 x;
	int i;

	*val = ~0;
	if (!v)
		return PCIBIOS_DEVICE_NOT_FOUND;
	if (where + size > 4096)
		return PCIBIOS_BAD_REGISTER_NUMBER;
	raw_spin_lock_irqsave(&lock, fl);
	x = r32(v, where & ~3);
	for (i = 0; v->is_ep && i < 2; i++)
		if (doe_read(&doe[i], where & ~3, &x))
			break;
	raw_spin_unlock_irqrestore(&lock, fl);
	x >>= (where & 3) * 8;
	*val = size == 4 ? x : x & ((1u << size * 8) - 1);
	return PCIBIOS_SUCCESSFUL;
}

static int cfg_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
	struct vdev *v = find(bus, devfn);
	int dw = where & ~3, i, sh = (where & 3) * 8;
	unsigned long fl;
	u32 m, old;

	if (!v)
		return PCIBIOS_DEVICE_NOT_FOUND;
	if (where + size > 4096)
		return PCIBIOS_BAD_REGISTER_NUMBER;
	raw_spin_lock_irqsave(&lock, fl);
	for (i = 0; v->is_ep && i < 2; i++)
		if (dw >= doe[i].base && dw < doe[i].base + PCI_DOE_CAP_SIZEOF && dw > doe[i].base + PCI_DOE_CAP) {
			if (size == 4)
				doe_write(&doe[i], dw, val);
			goto out;
		}
	old = r32(v, dw);
	m = get_unaligned_le32(v->wmask + dw) & ((size == 4 ? ~0u : (1u << size * 8) - 1) << sh);
	p32(v, dw, (old & ~m) | ((val << sh) & m));
	after_write(v, dw, old);
out:
	raw_spin_unlock_irqrestore(&lock, fl);
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops ops = { .read = cfg_read, .write = cfg_write };

static void init_ide(struct vdev *v, bool tee_limited)
{
	int i, j;

	p32(v, IDE, PCI_EXT_CAP_ID_IDE | 1 << 16);
	p32(v, IDE + PCI_IDE_CAP, PCI_IDE_CAP_SELECTIVE | PCI_IDE_CAP_IDE_KM | PCI_IDE_CAP_SEL_CFG |
	    FIELD_PREP(PCI_IDE_CAP_SEL_NUM, NSTREAMS - 1) | (tee_limited ? PCI_IDE_CAP_TEE_LIMITED : 0));
	wm(v, IDE + PCI_IDE_CTL, PCI_IDE_CTL_FLOWTHROUGH_IDE);
	for (i = 0; i < NSTREAMS; i++) {
		p32(v, SEL(i) + PCI_IDE_SEL_CAP, NASSOC);
		wm(v, SEL(i) + PCI_IDE_SEL_CTL, 0xfffffffd);
		wm(v, SEL(i) + PCI_IDE_SEL_RID_1, 0x00ffff00);
		wm(v, SEL(i) + PCI_IDE_SEL_RID_2, 0xffffff01);
		for (j = 0; j < NASSOC; j++) {
			wm(v, SEL(i) + PCI_IDE_SEL_ADDR_1(j), 0xffffff01);
			wm(v, SEL(i) + PCI_IDE_SEL_ADDR_2(j), ~0u);
			wm(v, SEL(i) + PCI_IDE_SEL_ADDR_3(j), ~0u);
		}
	}
}

static void init_devs(void)
{
	/* root port 00:00.0 */
	p16(&rp, 0, 0x1234); p16(&rp, 2, 0xd0e0);
	wm(&rp, PCI_COMMAND, 0x0547);
	p16(&rp, PCI_STATUS, PCI_STATUS_CAP_LIST);
	p32(&rp, PCI_CLASS_REVISION, 0x06040001);
	rp.cfg[PCI_HEADER_TYPE] = 1; rp.cfg[PCI_CAPABILITY_LIST] = CAP_PCIE;
	wm(&rp, PCI_PRIMARY_BUS, 0x00ffffff);
	wm(&rp, PCI_MEMORY_BASE, 0xfff0fff0);
	p32(&rp, PCI_PREF_MEMORY_BASE, 0x00010001); wm(&rp, PCI_PREF_MEMORY_BASE, 0xfff0fff0);
	wm(&rp, PCI_PREF_BASE_UPPER32, ~0u); wm(&rp, PCI_PREF_LIMIT_UPPER32, ~0u);
	wm(&rp, PCI_INTERRUPT_LINE, 0x00ff00ff);
	p32(&rp, CAP_PCIE, PCI_CAP_ID_EXP | (2 | PCI_EXP_TYPE_ROOT_PORT << 4) << 16);
	p32(&rp, CAP_PCIE + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER);
	wm(&rp, CAP_PCIE + PCI_EXP_DEVCTL, 0x7fff);
	p32(&rp, CAP_PCIE + PCI_EXP_LNKCAP, 0x00000014);
	p32(&rp, CAP_PCIE + PCI_EXP_LNKCTL, 0x00140000); wm(&rp, CAP_PCIE + PCI_EXP_LNKCTL, 0x0fff);
	p32(&rp, 0x100, 0); init_ide(&rp, false);
	p32(&rp, 0x100, 0x0003 | 1 << 16 | IDE << 20);		/* DSN */
	p32(&rp, 0x104, 0x11); p32(&rp, 0x108, 0x22);

	/* endpoint 01:00.0 */
	ep.is_ep = true;
	p16(&ep, 0, 0x1234); p16(&ep, 2, 0xd0e1);
	wm(&ep, PCI_COMMAND, 0x0547);
	p16(&ep, PCI_STATUS, PCI_STATUS_CAP_LIST);
	p32(&ep, PCI_CLASS_REVISION, 0xff000001);
	ep.cfg[PCI_CAPABILITY_LIST] = CAP_PCIE;
	p32(&ep, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	wm(&ep, PCI_BASE_ADDRESS_0, ~0u << 16); wm(&ep, PCI_BASE_ADDRESS_1, ~0u);
	p32(&ep, PCI_SUBSYSTEM_VENDOR_ID, 0xd0e11234);
	wm(&ep, PCI_INTERRUPT_LINE, 0xff);
	p32(&ep, CAP_PCIE, PCI_CAP_ID_EXP | (2 | PCI_EXP_TYPE_ENDPOINT << 4) << 16);
	p32(&ep, CAP_PCIE + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR | PCI_EXP_DEVCAP_TEE);
	wm(&ep, CAP_PCIE + PCI_EXP_DEVCTL, 0xffff);
	p32(&ep, CAP_PCIE + PCI_EXP_LNKCAP, 0x00000014);
	p32(&ep, CAP_PCIE + PCI_EXP_LNKCTL, 0x00140000); wm(&ep, CAP_PCIE + PCI_EXP_LNKCTL, 0x0fff);
	p32(&ep, DOE, PCI_EXT_CAP_ID_DOE | 2 << 16 | DOE2 << 20);
	p32(&ep, DOE2, PCI_EXT_CAP_ID_DOE | 1 << 16 | IDE << 20);
	init_ide(&ep, true);
	doe[0].base = DOE; doe[0].userspace = true;
	doe[1].base = DOE2;
}

/* ---------------------------------------------------------------- userspace responder */
static ssize_t dev_read(struct file *f, char __user *buf, size_t n, loff_t *pos)
{
	struct doe *d = &doe[0];
	static u32 tmp[MAXDW];
	unsigned long fl;
	int k, rc;

	do {
		rc = f->f_flags & O_NONBLOCK ? (READ_ONCE(d->nreq) ? 0 : -EAGAIN) :
			wait_event_interruptible(reqwq, READ_ONCE(d->nreq));
		if (rc)
			return rc;
		raw_spin_lock_irqsave(&lock, fl);
		k = d->nreq;
		memcpy(tmp, d->req, k * 4);
		d->nreq = 0;
		served_gen = d->gen;
		raw_spin_unlock_irqrestore(&lock, fl);
	} while (!k);
	if (n < k * 4)
		return -EMSGSIZE;
	return copy_to_user(buf, tmp, k * 4) ? -EFAULT : k * 4;
}

static ssize_t dev_write(struct file *f, const char __user *buf, size_t n, loff_t *pos)
{
	struct doe *d = &doe[0];
	static u32 tmp[MAXDW];
	unsigned long fl;
	ssize_t rc = n;

	if (n > sizeof(tmp) || !n)
		return -EINVAL;
	if (copy_from_user(tmp, buf, n))
		return -EFAULT;
	raw_spin_lock_irqsave(&lock, fl);
	if (!d->busy || served_gen != d->gen)
		rc = -ESTALE;				/* aborted meanwhile */
	else if (n == 3 && !memcmp(tmp, "ERR", 3)) {
		d->busy = false; d->err = true;
	} else if (n & 3)
		rc = -EINVAL;
	else
		doe_respond(d, tmp, n / 4);
	raw_spin_unlock_irqrestore(&lock, fl);
	return rc;
}

static __poll_t dev_poll(struct file *f, poll_table *w)
{
	poll_wait(f, &reqwq, w);
	return (READ_ONCE(doe[0].nreq) ? EPOLLIN : 0) | EPOLLOUT;
}

static ssize_t raw_rw(char __user *ub, size_t n, loff_t *pos, bool wr)
{
	u8 tmp[256], *p;
	unsigned long fl;

	if (*pos >= 8192)
		return 0;
	n = min3(n, sizeof(tmp), (size_t)(4096 - (*pos & 4095)));
	p = (*pos < 4096 ? rp.cfg : ep.cfg) + (*pos & 4095);
	if (wr && copy_from_user(tmp, ub, n))
		return -EFAULT;
	raw_spin_lock_irqsave(&lock, fl);
	wr ? memcpy(p, tmp, n) : memcpy(tmp, p, n);
	raw_spin_unlock_irqrestore(&lock, fl);
	if (!wr && copy_to_user(ub, tmp, n))
		return -EFAULT;
	*pos += n;
	return n;
}
static ssize_t raw_read(struct file *f, char __user *b, size_t n, loff_t *p) { return raw_rw(b, n, p, false); }
static ssize_t raw_write(struct file *f, const char __user *b, size_t n, loff_t *p) { return raw_rw((char __user *)b, n, p, true); }

static const struct file_operations dev_fops = { .owner = THIS_MODULE, .read = dev_read, .write = dev_write, .poll = dev_poll };
static const struct file_operations raw_fops = { .owner = THIS_MODULE, .read = raw_read, .write = raw_write, .llseek = default_llseek };
static struct miscdevice dev_misc = { .minor = MISC_DYNAMIC_MINOR, .name = "teeio-doe", .fops = &dev_fops };
static struct miscdevice raw_misc = { .minor = MISC_DYNAMIC_MINOR, .name = "teeio-config", .fops = &raw_fops };

static int plat_init(void)
{
	fdev = platform_device_register_simple("teeio_bus", -1, NULL, 0);
	sysdata.domain = 0x10000;
	return PTR_ERR_OR_ZERO(fdev);
}

static void plat_exit(void) { platform_device_unregister(fdev); }

/* ---------------------------------------------------------------- init */
static int __init teeio_bus_init(void)
{
	LIST_HEAD(res);
	int rc;

	init_devs();
	rc = plat_init();
	if (rc)
		return rc;
	memres = (struct resource){ .name = "teeio_bus memory", .flags = IORESOURCE_MEM | IORESOURCE_MEM_64 | IORESOURCE_PREFETCH };
	rc = allocate_resource(&iomem_resource, &memres, SZ_64M, SZ_4G * 16ULL, SZ_1T, SZ_64M, NULL, NULL);
	if (rc)
		goto e_platform;
	busres = (struct resource){ .name = "teeio_bus bus", .start = 0, .end = 7, .flags = IORESOURCE_BUS };
	sysdata.node = NUMA_NO_NODE;
	rc = misc_register(&dev_misc);
	if (rc)
		goto e_res;
	rc = misc_register(&raw_misc);
	if (rc)
		goto e_misc;
	pci_add_resource(&res, &busres);
	pci_add_resource(&res, &memres);
	pci_lock_rescan_remove();
	root = pci_create_root_bus(&fdev->dev, 0, &ops, &sysdata, &res);
	if (!root) {
		pci_unlock_rescan_remove();
		pci_free_resource_list(&res);
		rc = -ENODEV;
		goto e_raw;
	}
	pci_scan_child_bus(root);
	pci_assign_unassigned_bus_resources(root);
	pci_bus_add_devices(root);
	pci_unlock_rescan_remove();
	return 0;
e_raw:
	misc_deregister(&raw_misc);
e_misc:
	misc_deregister(&dev_misc);
e_res:
	release_resource(&memres);
e_platform:
	plat_exit();
	return rc;
}

static void __exit teeio_bus_exit(void)
{
	pci_lock_rescan_remove();
	pci_stop_root_bus(root);
	pci_remove_root_bus(root);
	pci_unlock_rescan_remove();
	misc_deregister(&raw_misc);
	misc_deregister(&dev_misc);
	release_resource(&memres);
	plat_exit();
}

module_init(teeio_bus_init);
module_exit(teeio_bus_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("emulated PCI Express hierarchy with DOE, IDE and TEE-IO");
