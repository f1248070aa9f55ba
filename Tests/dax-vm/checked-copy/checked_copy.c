// Takes the usercopy bypass out of a running 6.1 kernel, as a live patch.
//
// Since 5.2 the DAX copy routines use the unchecked forms _copy_from_iter_flushcache and
// _copy_mc_to_iter; before, they used the forms that call check_copy_size() first, and with
// hardened usercopy that reads the struct page of the bytes on the medium. This puts the check back
// in front of the same copies, so that one kernel shows both behaviours. Only for the counting
// machine.
#include <linux/dax.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/thread_info.h>
#include <linux/uio.h>

static size_t checked_copy_from_iter(struct dax_device *device, pgoff_t page, void *address,
                                     size_t bytes, struct iov_iter *iterator) {
    if (!check_copy_size(address, bytes, false)) return 0;
    return _copy_from_iter_flushcache(address, bytes, iterator);
}

static size_t checked_copy_to_iter(struct dax_device *device, pgoff_t page, void *address,
                                   size_t bytes, struct iov_iter *iterator) {
    if (!check_copy_size(address, bytes, true)) return 0;
    return _copy_mc_to_iter(address, bytes, iterator);
}

static struct klp_func functions[] = {
    {.old_name = "dax_copy_from_iter", .new_func = checked_copy_from_iter},
    {.old_name = "dax_copy_to_iter", .new_func = checked_copy_to_iter},
    {},
};

static struct klp_object objects[] = {{.funcs = functions}, {}};

static struct klp_patch patch = {.mod = THIS_MODULE, .objs = objects};

static int __init start(void) { return klp_enable_patch(&patch); }

static void __exit stop(void) {}

module_init(start);
module_exit(stop);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("puts the usercopy check back in front of DAX copies");
MODULE_INFO(livepatch, "Y");
