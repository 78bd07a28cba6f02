impl Shop for Postgres {
    #[idempotent(key = order.id, name = "shop.charge", tx = tx, guarantee = exactly_once)]
    fn charge<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        tx: &'life1 mut Transaction<'life2, Postgres>,
        order: Order,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'async_trait>> {
        Box::pin(async move {
            if let Some(__ret) = None::<Result<()>> {
                return __ret;
            }
            let __self = self;
            let tx = tx;
            let order = order;
            let __ret: Result<()> = {
                gateway::charge(tx, order.card, order.amount).await
            };
            __ret
        })
    }
}

// Expands to:

impl Shop for Postgres {
    fn charge<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        tx: &'life1 mut Transaction<'life2, Postgres>,
        order: Order,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'async_trait>> {
        Box::pin(async move {
            if let Some(__ret) = None::<Result<()>> {
                return __ret;
            }
            let __self = self;
            let tx = tx;
            let order = order;
            let call = ::idempotent_core::Operation::new("shop.charge")
                .key(&order.id)
                .returning::<Result<()>>()
                .in_transaction_comparing(tx, |results| results.compare_ok());
            call.run(move |tx| async move {
                    let result = async {
                        if false {
                            return ::idempotent_core::__output::<Result<()>>();
                        }
                        let tx = &mut *tx;
                        let __ret: Result<()> = {
                            gateway::charge(tx, order.card, order.amount).await
                        };
                        __ret
                    }
                        .await;
                    (tx, result)
                })
                .await
        })
    }
}
