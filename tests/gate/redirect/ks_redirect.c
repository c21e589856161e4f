// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sends every frame that comes in on one device out of another, as a router that knows one way: the
 * TTL of IPv4 packets goes down by one, and what has none left is dropped.
 *
 *   echo "IN OUT" > /sys/module/ks_redirect/parameters/pair      (both of the writer's namespace)
 *   echo          > /sys/module/ks_redirect/parameters/pair
 */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <linux/string.h>
#include <net/ip.h>

/* Both are held, and guarded by the RTNL. */
static struct net_device *from, *to;

static bool lower_ttl(struct sk_buff *skb)
{
	struct iphdr *ip;

	if (!pskb_may_pull(skb, sizeof(*ip)) || skb_ensure_writable(skb, sizeof(*ip)))
		return false;
	ip = ip_hdr(skb);
	if (ip->ttl <= 1)
		return false;
	ip_decrease_ttl(ip);
	return true;
}

static rx_handler_result_t redirect(struct sk_buff **pskb)
{
	struct net_device *out = rcu_dereference((*pskb)->dev->rx_handler_data);
	struct sk_buff *skb = skb_share_check(*pskb, GFP_ATOMIC);

	if (!skb)
		return RX_HANDLER_CONSUMED;
	if (skb->protocol == htons(ETH_P_IP) && !lower_ttl(skb)) {
		kfree_skb(skb);
		return RX_HANDLER_CONSUMED;
	}
	skb_push(skb, ETH_HLEN);
	skb->dev = out;
	dev_queue_xmit(skb);
	return RX_HANDLER_CONSUMED;
}

static void let_go(void)
{
	ASSERT_RTNL();
	if (!from)
		return;
	netdev_rx_handler_unregister(from);
	dev_put(from);
	dev_put(to);
	from = NULL;
	to = NULL;
}

static int take(const char *in, const char *out)
{
	struct net *net = current->nsproxy->net_ns;
	int err = -ENODEV;

	from = dev_get_by_name(net, in);
	to = dev_get_by_name(net, out);
	if (from && to)
		err = netdev_rx_handler_register(from, redirect, to);
	if (err) {
		if (from)
			dev_put(from);
		if (to)
			dev_put(to);
		from = NULL;
		to = NULL;
	}
	return err;
}

static int set_pair(const char *text, const struct kernel_param *kp)
{
	char in[IFNAMSIZ], out[IFNAMSIZ];
	int names = sscanf(text, "%15s %15s", in, out);
	int err = 0;

	if (names != 2 && names > 0)
		return -EINVAL;
	rtnl_lock();
	let_go();
	if (names == 2)
		err = take(in, out);
	rtnl_unlock();
	return err;
}

static int get_pair(char *buffer, const struct kernel_param *kp)
{
	int length;

	rtnl_lock();
	length = from ? sprintf(buffer, "%s %s\n", from->name, to->name) : sprintf(buffer, "\n");
	rtnl_unlock();
	return length;
}

static const struct kernel_param_ops pair_ops = { .set = set_pair, .get = get_pair };
module_param_cb(pair, &pair_ops, NULL, 0600);
MODULE_PARM_DESC(pair, "where frames come in, and where they go out");

static int gone(struct notifier_block *nb, unsigned long event, void *info)
{
	struct net_device *dev = netdev_notifier_info_to_dev(info);

	if (event == NETDEV_UNREGISTER && (dev == from || dev == to))
		let_go();
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = gone };

static int __init start(void)
{
	return register_netdevice_notifier(&notifier);
}

static void __exit end(void)
{
	unregister_netdevice_notifier(&notifier);
	rtnl_lock();
	let_go();
	rtnl_unlock();
}

module_init(start);
module_exit(end);
MODULE_DESCRIPTION("Sends what comes in on one device out of another");
MODULE_LICENSE("GPL");
