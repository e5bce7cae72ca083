"""What the shop keeps. Money is whole cents everywhere: floats lose cents, and JSON has no decimals."""

from shop.models.catalogue import ImportJob, ImportProblem, Product
from shop.models.newsletters import Newsletter, NewsletterPart, Subscriber
from shop.models.orders import Order, OrderLine, Payment
from shop.models.reports import Report
from shop.models.slips import DeliverySlip

__all__ = [
    "DeliverySlip",
    "ImportJob",
    "ImportProblem",
    "Newsletter",
    "NewsletterPart",
    "Order",
    "OrderLine",
    "Payment",
    "Product",
    "Report",
    "Subscriber",
]
